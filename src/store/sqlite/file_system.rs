//! Refuses file systems on which SQLite's write-ahead log is not safe.
//!
//! The log needs shared memory and locks of one host (sqlite.org/wal.html): over NFS, SMB and the
//! like two hosts would corrupt the store.

use std::path::Path;

use crate::store::{Result, StoreError};

/// Magic numbers of network file systems (Linux `statfs(2)` and the kernel's `magic.h`).
const NETWORK: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x564C, "NCP"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "kAFS"),
    (0x00C3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x7461_636F, "OCFS2"),
    (0x0116_1970, "GFS2"),
];

/// The like of a file system that a process serves.
#[cfg(target_os = "linux")]
const FUSE: u64 = 0x6573_5546;

/// An error if the folder of `path` lies on a network file system. A file system that cannot be
/// asked is let through.
pub(super) fn refuse_network(path: &Path) -> Result<()> {
    match network_kind(path) {
        Some(kind) => Err(StoreError::NetworkFileSystem {
            path: path.to_path_buf(),
            kind: kind.to_owned(),
        }),
        None => Ok(()),
    }
}

/// An error if the file at this path (without links) is mounted by itself, as `docker -v FILE:FILE` does:
/// its log would stand beside this name, and whoever works on it by its own name would not see it.
#[cfg(target_os = "linux")]
pub(super) fn refuse_mounted(path: &Path) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if !is_mount_point(&mounts, path) {
        return Ok(());
    }
    Err(StoreError::CannotOpen {
        path: path.to_path_buf(),
        why: "it is mounted as a single file, so its log would stand beside this name and be missed by whoever has it by another: mount its folder instead".to_owned(),
    })
}

/// Elsewhere single files cannot be mounted.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Linux")]
pub(super) fn refuse_mounted(_: &Path) -> Result<()> {
    Ok(())
}

/// Whether something is mounted at this very path, by the words of `/proc/self/mountinfo` (proc(5)).
#[cfg(target_os = "linux")]
fn is_mount_point(mounts: &str, path: &Path) -> bool {
    let escaped =
        path.as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(Vec::new(), |mut escaped, byte| {
                match byte {
                    b' ' | b'\t' | b'\n' | b'\\' => {
                        escaped.extend(format!("\\{byte:03o}").into_bytes());
                    }
                    byte => escaped.push(*byte),
                }
                escaped
            });
    let mut points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points.any(|point| point.as_bytes() == escaped)
}

/// The folder that a store of this path lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether the folder of `path` lies on a file system that a process serves (FUSE): what is written there is
/// safe from the end of the writer, but perhaps not from the end of that one.
#[cfg(target_os = "linux")]
pub(super) fn is_in_a_process(path: &Path) -> bool {
    magic_of(path) == Some(FUSE)
}

/// Elsewhere the system is not asked.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_in_a_process(_: &Path) -> bool {
    false
}

/// The kind of network file system that the folder of `path` lies on, if it does.
#[cfg(target_os = "linux")]
pub(super) fn network_kind(path: &Path) -> Option<&'static str> {
    kind_of_magic(magic_of(path)?)
}

#[cfg(target_os = "linux")]
fn magic_of(path: &Path) -> Option<u64> {
    let found = rustix::fs::statfs(folder_of(path)).ok()?;
    Some(u64::try_from(found.f_type).ok()? & 0xFFFF_FFFF)
}

/// Elsewhere the system is not asked.
#[cfg(not(target_os = "linux"))]
pub(super) fn network_kind(_: &Path) -> Option<&'static str> {
    None
}

#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "asked on Linux alone")
)]
fn kind_of_magic(magic: u64) -> Option<&'static str> {
    NETWORK
        .iter()
        .find(|(known, _)| *known == magic)
        .map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::{kind_of_magic, refuse_network};
    use std::path::Path;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(kind_of_magic(0x6969), Some("NFS"));
        assert_eq!(kind_of_magic(0xEF53), None, "ext4");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_mounted_by_itself_is_known() {
        let mounts = "36 35 98:0 / / rw - ext4 /dev/root rw\n\
            37 36 98:0 /a.db /x/my\\040store.db rw,noatime - ext4 /dev/root rw\n";
        for (path, expected) in [("/x/my store.db", true), ("/x/my", false), ("/a.db", false)] {
            assert_eq!(
                super::is_mount_point(mounts, Path::new(path)),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn a_local_folder_is_taken() {
        assert!(refuse_network(Path::new("store.db")).is_ok());
    }
}
