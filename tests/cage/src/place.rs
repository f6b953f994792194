//! Where on this machine a memory cgroup can be made.

use std::fs;
use std::path::{Path, PathBuf};

/// The version of the interface that has the memory controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// A group that groups may be made in, as far as one can tell without trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) version: Version,
    pub(crate) directory: PathBuf,
}

/// The group of this process and those above it, innermost first, so that limits above ours stay in force.
pub(crate) fn candidates() -> Vec<Place> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some((version, mount)) = mounted(&mounts) else {
        return Vec::new();
    };
    let own = own_group(&groups, version).unwrap_or("/");
    // In a container the path may be that of the host, and the mount begins at the container's own group.
    ancestors(&mount, own)
        .filter(|directory| directory.is_dir())
        .map(|directory| Place { version, directory })
        .collect()
}

/// The mount that has the memory controller. A controller is in one version at a time: where version 1 has it, the
/// version 2 that is mounted beside it (the "hybrid" layout) has not.
fn mounted(mounts: &str) -> Option<(Version, PathBuf)> {
    let mut second = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(mount), Some(kind), Some(options)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        match kind {
            "cgroup" if options.split(',').any(|option| option == "memory") => {
                return Some((Version::One, mount.into()));
            }
            "cgroup2" => second = Some((Version::Two, mount.into())),
            _ => {}
        }
    }
    second
}

/// This process's group in `/proc/self/cgroup`: lines of `ID:CONTROLLERS:PATH`, without controllers for version 2.
fn own_group(groups: &str, version: Version) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let here = match version {
            Version::One => controllers.split(',').any(|name| name == "memory"),
            Version::Two => controllers.is_empty(),
        };
        here.then_some(path)
    })
}

fn ancestors(mount: &Path, own: &str) -> impl Iterator<Item = PathBuf> {
    let relative = Path::new(own.trim_start_matches('/'));
    // `a/b` gives a/b, a and the empty path, which is the mount itself.
    relative
        .ancestors()
        .map(|path| mount.join(path))
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
        tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
        cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
        cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n";

    #[test]
    fn the_mount_with_the_memory_controller_is_found() {
        let memory = PathBuf::from("/sys/fs/cgroup/memory");
        assert_eq!(mounted(HYBRID), Some((Version::One, memory)));
        let unified = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n";
        assert_eq!(
            mounted(unified),
            Some((Version::Two, "/sys/fs/cgroup".into()))
        );
        assert_eq!(mounted("proc /proc proc rw 0 0\n"), None);
    }

    #[test]
    fn the_own_group_is_that_of_the_version() {
        let groups = "9:name=systemd:/s\n4:memory:/docker/abc\n0::/user.slice/a b\n";
        assert_eq!(own_group(groups, Version::One), Some("/docker/abc"));
        assert_eq!(own_group(groups, Version::Two), Some("/user.slice/a b"));
        assert_eq!(own_group("", Version::Two), None);
    }

    #[test]
    fn groups_above_follow_from_the_inside_out() {
        let found: Vec<_> = ancestors(Path::new("/m"), "/a/b").collect();
        assert_eq!(found, ["/m/a/b", "/m/a", "/m"].map(PathBuf::from));
        assert_eq!(
            ancestors(Path::new("/m"), "/").collect::<Vec<_>>(),
            [PathBuf::from("/m")]
        );
    }
}
