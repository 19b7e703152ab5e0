//! System calls as a 32-bit program makes them, by `int 0x80`: they have numbers of their own, and pass hooks that know
//! only the others. x86-64 only; elsewhere they are not supported.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr::{self, NonNull};

/// Bytes of the buffer, and most that a call moves.
const SIZE: usize = 1 << 20;

/// A buffer whose address fits into 32 bits.
#[derive(Debug)]
pub struct Compat(NonNull<u8>);

// SAFETY: memory that only this value refers to.
unsafe impl Send for Compat {}

/// Numbers in the 32-bit table.
const READ: u32 = 3;
const WRITE: u32 = 4;
const GETPID: u32 = 20;

impl Compat {
    /// Prepares it.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] when the kernel does not take 32-bit calls.
    pub fn new() -> io::Result<Self> {
        // A kernel that does not take them kills whoever tries.
        // SAFETY: a call without arguments.
        let taken = super::in_child(|| unsafe { call(GETPID, 0, 0, 0) } > 0);
        if !taken.is_ok_and(|code| code == 0) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this kernel takes no 32-bit system calls",
            ));
        }
        #[cfg(target_arch = "x86_64")]
        let low = libc::MAP_32BIT;
        #[cfg(not(target_arch = "x86_64"))]
        let low = 0;
        // SAFETY: a new mapping, without address.
        let mapped = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(ptr::null_mut(), SIZE, access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | low, -1, 0)
        };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(mapped.cast()).map(Self).ok_or_else(|| io::Error::other("mapped at 0"))
    }

    /// `write`.
    ///
    /// # Errors
    /// The call's.
    pub fn write(&mut self, socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(SIZE);
        // SAFETY: both hold `length` bytes, and nothing else refers to the buffer.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.as_ptr(), length) };
        self.run(WRITE, socket, length)
    }

    /// `read`.
    ///
    /// # Errors
    /// The call's.
    pub fn read(&mut self, socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.run(READ, socket, buffer.len().min(SIZE))?;
        // SAFETY: the kernel wrote `count` bytes, at most as many as were asked for.
        unsafe { ptr::copy_nonoverlapping(self.0.as_ptr(), buffer.as_mut_ptr(), count) };
        Ok(count)
    }

    fn run(&mut self, number: u32, socket: BorrowedFd<'_>, length: usize) -> io::Result<usize> {
        let address = self.0.as_ptr() as usize as u32;
        // SAFETY: the buffer holds SIZE bytes, `length` is at most that, and its address has 32 bits.
        let returned = unsafe { call(number, socket.as_raw_fd() as u32, address, length as u32) };
        usize::try_from(returned).map_err(|_| io::Error::from_raw_os_error(-returned))
    }
}

impl Drop for Compat {
    fn drop(&mut self) {
        // SAFETY: the mapping of this value, once.
        unsafe { libc::munmap(self.0.as_ptr().cast(), SIZE) };
    }
}

/// A 32-bit system call.
///
/// # Safety
/// What the arguments mean to the call must be valid.
#[cfg(target_arch = "x86_64")]
unsafe fn call(number: u32, first: u32, second: u32, third: u32) -> i32 {
    let returned: i32;
    // SAFETY: rbx, which the compiler keeps, is given back; the kernel keeps the others but r8 to r11.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) u64::from(first) => _,
            inlateout("eax") number => returned,
            in("ecx") second,
            in("edx") third,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            options(nostack),
        );
    }
    returned
}

/// There is no such call.
///
/// # Safety
/// Always safe.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn call(_: u32, _: u32, _: u32, _: u32) -> i32 {
    -libc::ENOSYS
}
