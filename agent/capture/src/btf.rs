//! Member offsets from the running kernel's type information, so that none is guessed.
//!
//! A reader of just what that takes from the BTF format (Linux, `Documentation/bpf/btf.rst`): structures and
//! unions by name, members by path, anonymous members looked through.

use std::fs;
use std::path::Path;

use crate::Error;

/// A member that the kernel part reads: the global that holds its offset, and its path.
pub(crate) type Member = (&'static str, &'static str);

/// What the programs on packets read.
pub(crate) const MEMBERS: [Member; 12] = [
    ("OFF_SKB_SK", "sk_buff.sk"),
    ("OFF_SOCK_OWNED", "sock.sk_lock.owned"),
    ("OFF_SOCK_NET", "sock.__sk_common.skc_net.net"),
    ("OFF_NET_INUM", "net.ns.inum"),
    ("OFF_TASK_FLAGS", "task_struct.flags"),
    ("OFF_TASK_TGID", "task_struct.tgid"),
    ("OFF_TASK_LEADER", "task_struct.group_leader"),
    ("OFF_TASK_START", "task_struct.start_boottime"),
    ("OFF_TASK_COMM", "task_struct.comm"),
    ("OFF_TASK_MM", "task_struct.mm"),
    ("OFF_MM_ARG_START", "mm_struct.arg_start"),
    ("OFF_MM_ARG_END", "mm_struct.arg_end"),
];

/// Depth of anonymous structures and of typedefs that is followed.
const MAX_DEPTH: u32 = 16;

/// The offset, in bytes, of every member the kernel part reads, with the name of its global.
///
/// # Errors
/// When the file can't be read, is damaged, or lacks a member.
pub(crate) fn offsets(path: &Path) -> Result<Vec<(&'static str, u32)>, Error> {
    let bytes = read(path)?;
    let btf = Btf::of(path, &bytes)?;
    btf.offsets(&MEMBERS)
}

/// The file's bytes, for [`Btf::of`].
///
/// # Errors
/// When it can't be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Btf { path: path.into(), source })
}

/// Byte offset near which the file is not BTF.
#[derive(Debug, PartialEq, Eq)]
struct Damaged(usize);

/// Kinds of types, by their number in the format.
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// One type, at a place in the type section.
#[derive(Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    kind: u32,
    members: u32,
    /// Whether member offsets share their word with a bit-field size.
    bitfields: bool,
    /// Size, or the type that this one refers to.
    referred: u32,
}

/// Type information, parsed once for all that is looked up in it.
pub(crate) struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Place of each type by its number minus one; type 0 is void.
    index: Vec<usize>,
}

impl<'a> Btf<'a> {
    /// `bytes` of the file at `path`.
    ///
    /// # Errors
    /// When they are damaged.
    pub(crate) fn of(path: &Path, bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse(bytes).map_err(|Damaged(offset)| Error::BtfDamaged { path: path.into(), offset })
    }

    /// The offset, in bytes, of every one of `members`, with the name of its global.
    ///
    /// # Errors
    /// [`Error::BtfMember`], of the first that this kernel does not have.
    pub(crate) fn offsets(&self, members: &[Member]) -> Result<Vec<(&'static str, u32)>, Error> {
        let find =
            |&(global, member): &Member| Ok((global, self.offset(member).ok_or(Error::BtfMember(member))?));
        members.iter().map(find).collect()
    }

    /// The offset, in bytes, of the first of several members (kernels name them differently) that there is.
    pub(crate) fn first_offset(&self, members: &[&'static str]) -> Option<u32> {
        members.iter().find_map(|member| self.offset(member))
    }

    /// The size of a structure, in bytes.
    pub(crate) fn size(&self, structure: &str) -> Option<u32> {
        self.structure(structure).map(|found| found.referred)
    }

    fn parse(bytes: &'a [u8]) -> Result<Self, Damaged> {
        const MAGIC: u32 = 0xeb9f;
        let field = |at| word(bytes, at).ok_or(Damaged(at));
        if field(0)? & 0xffff != MAGIC {
            return Err(Damaged(0));
        }
        let header = field(4)? as usize;
        let section = |offset_at, length_at| {
            let start = header.checked_add(field(offset_at)? as usize).ok_or(Damaged(offset_at))?;
            let end = start.checked_add(field(length_at)? as usize).ok_or(Damaged(length_at))?;
            bytes.get(start..end).ok_or(Damaged(length_at))
        };
        let mut btf = Self { types: section(8, 12)?, strings: section(16, 20)?, index: Vec::new() };
        let mut at = 0;
        while at < btf.types.len() {
            let found = btf.read(at).ok_or(Damaged(header + at))?;
            btf.index.push(at);
            at += found.length();
        }
        Ok(btf)
    }

    fn read(&self, at: usize) -> Option<Type> {
        let info = word(self.types, at + 4)?;
        Some(Type {
            at,
            name: word(self.types, at)?,
            kind: (info >> 24) & 0x1f,
            members: info & 0xffff,
            bitfields: info >> 31 == 1,
            referred: word(self.types, at + 8)?,
        })
    }

    /// The type of this number, looked through typedefs and qualifiers.
    fn resolve(&self, mut number: u32) -> Option<Type> {
        for _ in 0..MAX_DEPTH {
            let found = self.read(*self.index.get(number.checked_sub(1)? as usize)?)?;
            match found.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::TYPE_TAG => number = found.referred,
                _ => return Some(found),
            }
        }
        None
    }

    fn structure(&self, name: &str) -> Option<Type> {
        let mut types = self.index.iter().filter_map(|at| self.read(*at));
        types.find(|found| found.kind == kind::STRUCT && self.is_named(found.name, name))
    }

    /// Byte offset of `structure.member.member...`.
    fn offset(&self, path: &str) -> Option<u32> {
        let mut names = path.split('.');
        let structure = names.next()?;
        let mut inside = self.structure(structure)?;
        let mut bits = 0;
        for name in names {
            let (at, number) = self.member(&inside, name, 0)?;
            bits += at;
            inside = match self.resolve(number) {
                Some(found) => found,
                // A pointer to a type that does not matter here ends the path.
                None => return Some(bits / 8),
            };
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// Offset in bits and type of the member `name`.
    fn member(&self, inside: &Type, name: &str, depth: u32) -> Option<(u32, u32)> {
        if !matches!(inside.kind, kind::STRUCT | kind::UNION) || depth > MAX_DEPTH {
            return None;
        }
        (0..inside.members).find_map(|i| {
            let at = inside.at + 12 + 12 * i as usize;
            let (own_name, number) = (word(self.types, at)?, word(self.types, at + 4)?);
            let offset = word(self.types, at + 8)?;
            let bits = if inside.bitfields { offset & 0x00ff_ffff } else { offset };
            if self.is_named(own_name, name) {
                return Some((bits, number));
            }
            let anonymous = self.is_named(own_name, "");
            let inner = anonymous.then(|| self.resolve(number)).flatten()?;
            self.member(&inner, name, depth + 1).map(|(more, number)| (bits + more, number))
        })
    }

    fn is_named(&self, offset: u32, name: &str) -> bool {
        self.strings
            .get(offset as usize..)
            .and_then(|rest| rest.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }
}

impl Type {
    /// Bytes this type takes in the type section.
    fn length(&self) -> usize {
        let members = self.members as usize;
        12 + match self.kind {
            kind::INT | kind::VAR | kind::DECL_TAG => 4,
            kind::ARRAY => 12,
            kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * members,
            kind::ENUM | kind::FUNC_PROTO => 8 * members,
            _ => 0,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A BTF file from its types (words) and strings.
    fn file(types: &[u32], strings: &[u8]) -> Vec<u8> {
        let types: Vec<u8> = types.iter().flat_map(|w| w.to_le_bytes()).collect();
        let header = [0x1_eb9f, 24, 0, types.len() as u32, types.len() as u32, strings.len() as u32];
        let mut bytes: Vec<u8> = header.iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.extend(types);
        bytes.extend(strings);
        bytes
    }

    /// `struct s { int a; union { int b; struct t c; }; }; struct t { int d:8; int e; }`
    fn example() -> Vec<u8> {
        let strings = b"\0s\0a\0b\0c\0t\0d\0e\0int\0";
        let structure = |kind: u32, members: u32| kind << 24 | members;
        file(
            &[
                [15, structure(kind::INT, 0), 4, 32].as_slice(),
                &[1, structure(kind::STRUCT, 2), 12, 3, 1, 0, 0, 3, 32],
                &[0, structure(kind::UNION, 2), 8, 5, 1, 0, 7, 4, 0],
                &[9, structure(kind::STRUCT, 2) | 1 << 31, 8, 11, 1, 8 << 24, 13, 1, 32],
            ]
            .concat(),
            strings,
        )
    }

    #[test]
    fn offsets_by_path() {
        let bytes = example();
        let btf = Btf::parse(&bytes).unwrap();
        let check = |path, expected| assert_eq!(btf.offset(path), expected, "{path}");
        check("s.a", Some(0));
        check("s.b", Some(4));
        check("s.c.d", Some(4));
        check("s.c.e", Some(8));
        check("s.x", None);
        check("x.a", None);
        check("s.a.d", None);
    }

    #[test]
    fn every_truncation_is_damage_or_harmless() {
        let bytes = example();
        for end in 0..bytes.len() {
            if let Ok(btf) = Btf::parse(&bytes[..end]) {
                let _ = btf.offset("s.c.e");
            }
        }
        assert_eq!(Btf::parse(b"not BTF at all").err(), Some(Damaged(0)));
    }
}
