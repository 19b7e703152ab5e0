//! Words with the verifier, and with LLVM: neither changes a value.
//!
//! A verifier walks every path with the values it knows. Where two paths meet with different known values it walks on once for each,
//! unless nothing is known of the value; and it must know a bound that LLVM would rather compute away.

use core::arch::asm;

/// Keeps LLVM from knowing a value, and so from folding the mask that shows its bound to the verifier.
#[inline(always)]
pub(crate) fn opaque(mut value: u32) -> u32 {
    // SAFETY: adds nothing. An empty template would be refused on load (no line to point at).
    unsafe { asm!("{0} += 0", inout(reg) value) };
    value
}

/// `len`, which is 1 to N, in a form whose bound an old verifier can see.
#[inline(always)]
pub(crate) fn bounded<const N: usize>(len: u32) -> u32 {
    (opaque(len - 1) & (N as u32 - 1)) + 1
}

/// Keeps the verifier from knowing a value: a number it does not know (`any`), twice exclusive-or.
#[inline(always)]
pub(crate) fn forget(any: u32, mut value: u32) -> u32 {
    // SAFETY: takes away what it added.
    unsafe { asm!("{0} ^= {1}", "{0} ^= {1}", inout(reg) value, in(reg) any) };
    value
}
