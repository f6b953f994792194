//! The memory limit of the container that we are in, as the kernel holds it: control groups, version 2
//! (`memory.max`) and version 1 (`memory.limit_in_bytes`).
//!
//! Groups nest, and a process dies by the tightest limit above it, which need not be that of its own group: so every
//! directory from ours up to the root of the mount is asked.

use std::path::{Path, PathBuf};

/// The memory limit of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLimit {
    /// The limit in bytes.
    pub bytes: u64,
    /// The file that it was read from.
    pub file: PathBuf,
}

/// What version 1 writes for "no limit" depends on the page size; all of it is above this.
const UNLIMITED: u64 = 1 << 62;

/// The tightest memory limit on this process, with `/proc` and the mounts of control groups looked for under `root`.
/// `None` when nothing limits it, or nothing can be read.
pub fn container_limit(root: &Path) -> Option<ContainerLimit> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = std::fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    mounts
        .lines()
        .filter_map(Mount::parse)
        .filter_map(|mount| {
            let group = groups
                .lines()
                .find_map(|line| mount.version.group_of(line))?;
            mount.tightest_limit(root, group)
        })
        .min_by_key(|limit| limit.bytes)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    /// Our group in this hierarchy, if a line of `/proc/self/cgroup` (`id:controllers:path`) is about it.
    fn group_of(self, line: &str) -> Option<&str> {
        let (id, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let ours = match self {
            Version::One => controllers
                .split(',')
                .any(|controller| controller == "memory"),
            Version::Two => id == "0" && controllers.is_empty(),
        };
        ours.then_some(path)
    }

    fn file(self) -> &'static str {
        match self {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        }
    }
}

/// A mounted hierarchy of control groups that limits memory.
#[derive(Debug)]
struct Mount {
    version: Version,
    /// The group that the mount shows at its top.
    top: String,
    point: String,
}

impl Mount {
    /// Reads a line of `/proc/self/mountinfo`: `36 35 98:0 /top /point options - type source options`.
    fn parse(line: &str) -> Option<Mount> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (top, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1).unwrap_or_default());
        let version = match kind {
            "cgroup2" => Version::Two,
            "cgroup" if options.split(',').any(|option| option == "memory") => Version::One,
            _ => return None,
        };
        Some(Mount {
            version,
            top: unescape(top),
            point: unescape(point),
        })
    }

    fn tightest_limit(&self, root: &Path, group: &str) -> Option<ContainerLimit> {
        let point = root.join(self.point.trim_start_matches('/'));
        // A container often sees its own group at the top of the mount while /proc still has the host's name for it,
        // or a name outside of its namespace (`/..`): then the top is all that can be seen.
        let below = match self.top.as_str() {
            "/" => Some(group),
            top => group
                .strip_prefix(top)
                .filter(|rest| rest.is_empty() || rest.starts_with('/')),
        };
        let below = below
            .filter(|path| !path.split('/').any(|step| step == ".."))
            .unwrap_or_default();
        let ours = point.join(below.trim_start_matches('/'));
        ours.ancestors()
            .take_while(|directory| directory.starts_with(&point))
            .filter_map(|directory| {
                let file = directory.join(self.version.file());
                let text = std::fs::read_to_string(&file).ok()?;
                // "max" is no number, and so no limit.
                let bytes = text
                    .trim()
                    .parse()
                    .ok()
                    .filter(|&bytes| bytes < UNLIMITED)?;
                Some(ContainerLimit { bytes, file })
            })
            .min_by_key(|limit| limit.bytes)
    }
}

/// Mount points have blanks and backslashes as three octal digits after a backslash.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A directory with these files, each with its content; directories are made as needed.
    fn tree(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        root
    }

    fn limit(files: &[(&str, &str)]) -> Option<(u64, String)> {
        let root = tree(files);
        container_limit(root.path()).map(|limit| {
            let file = limit.file.strip_prefix(root.path()).unwrap();
            (limit.bytes, file.to_str().unwrap().to_owned())
        })
    }

    const V2_MOUNT: (&str, &str) = (
        "proc/self/mountinfo",
        "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
    );
    const V1_MOUNT: (&str, &str) = (
        "proc/self/mountinfo",
        "33 25 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
         34 25 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    );

    #[test]
    fn version_2_reads_the_limit_of_our_group() {
        let found = limit(&[
            V2_MOUNT,
            ("proc/self/cgroup", "0::/job\n"),
            ("sys/fs/cgroup/job/memory.max", "536870912\n"),
        ]);
        assert_eq!(
            found,
            Some((512 << 20, "sys/fs/cgroup/job/memory.max".into()))
        );
    }

    #[test]
    fn the_tightest_of_all_groups_above_us_counts() {
        let found = limit(&[
            V2_MOUNT,
            ("proc/self/cgroup", "0::/pod/container/worker\n"),
            ("sys/fs/cgroup/pod/memory.max", "1000000\n"),
            ("sys/fs/cgroup/pod/container/memory.max", "2000000\n"),
            ("sys/fs/cgroup/pod/container/worker/memory.max", "max\n"),
        ]);
        assert_eq!(
            found,
            Some((1_000_000, "sys/fs/cgroup/pod/memory.max".into()))
        );
    }

    #[test]
    fn version_1_reads_the_memory_hierarchy_and_knows_its_word_for_no_limit() {
        let groups = ("proc/self/cgroup", "5:cpu:/other\n4:memory:/job/inner\n");
        let found = limit(&[
            V1_MOUNT,
            groups,
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            (
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes",
                "268435456\n",
            ),
            (
                "sys/fs/cgroup/memory/job/inner/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ]);
        assert_eq!(
            found,
            Some((
                256 << 20,
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes".into()
            ))
        );
    }

    #[test]
    fn a_container_that_sees_its_own_group_at_the_top_of_the_mount_is_limited_by_it() {
        let mount = "34 25 0:29 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        for group in ["/docker/abc", "/docker/abcdef", "/../..", "/"] {
            let found = limit(&[
                ("proc/self/mountinfo", mount),
                ("proc/self/cgroup", &format!("4:memory:{group}\n")),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576\n"),
            ]);
            assert_eq!(found.map(|(bytes, _)| bytes), Some(1 << 20), "{group}");
        }
    }

    #[test]
    fn of_both_versions_the_tighter_counts() {
        let mounts = format!(
            "{}{}",
            V1_MOUNT.1,
            V2_MOUNT
                .1
                .replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified ")
        );
        let found = limit(&[
            ("proc/self/mountinfo", &mounts),
            ("proc/self/cgroup", "4:memory:/a\n0::/b\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "3000000\n"),
            ("sys/fs/cgroup/unified/b/memory.max", "2000000\n"),
        ]);
        assert_eq!(found.map(|(bytes, _)| bytes), Some(2_000_000));
    }

    #[test]
    fn without_control_groups_or_limits_there_is_none() {
        assert_eq!(limit(&[]), None);
        assert_eq!(limit(&[V2_MOUNT, ("proc/self/cgroup", "0::/\n")]), None);
        assert_eq!(
            limit(&[
                ("proc/self/mountinfo", "nonsense\n"),
                ("proc/self/cgroup", "::\n")
            ]),
            None
        );
    }
}
