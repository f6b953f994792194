use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

use datafusion::execution::disk_manager::DiskManager;
use datafusion::execution::spill_file::SpillFile;
use futures::TryStreamExt;

use super::*;

fn spill_to(parents: &[&Path]) -> SpillDirectories {
    let parents: Vec<PathBuf> = parents.iter().map(|path| path.to_path_buf()).collect();
    SpillDirectories::create(&parents).unwrap()
}

fn manager(spill: &SpillDirectories, most: Option<u64>) -> Arc<DiskManager> {
    Arc::new(spill.disk_manager(most).build().unwrap())
}

/// A file with so many bytes.
fn written(manager: &Arc<DiskManager>, bytes: usize) -> std::io::Result<Arc<dyn SpillFile>> {
    let file = manager.create_tmp_file("test").unwrap();
    let mut writer = file.open_writer().unwrap();
    writer.write_all(&vec![7; bytes])?;
    writer.finish().unwrap();
    Ok(file)
}

#[test]
fn one_good_directory_is_enough_and_leaves_nothing_behind() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let good = parent.path().join("new/nested");
    let spill = spill_to(&[&file.join("under"), &good]);
    assert_eq!(fs::read_dir(&good).unwrap().count(), 1);
    drop(spill);
    assert_eq!(fs::read_dir(&good).unwrap().count(), 0);
}

#[test]
fn without_a_directory_the_error_names_the_setting() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = SpillDirectories::create(&[file.path().to_path_buf()])
        .err()
        .unwrap();
    assert!(error.to_string().contains("spark.local.dir"), "{error}");
}

#[tokio::test]
async fn files_go_to_the_directories_in_turn_and_come_back_whole() {
    let parents = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let spill = spill_to(&[parents[0].path(), parents[1].path(), parents[2].path()]);
    let manager = manager(&spill, None);
    let files: Vec<_> = (0..9)
        .map(|_| written(&manager, 300_000).unwrap())
        .collect();
    let mut counts = BTreeMap::new();
    for file in &files {
        let directory = file.path().unwrap().parent().unwrap().parent().unwrap();
        *counts.entry(directory.to_owned()).or_insert(0) += 1;
        assert_eq!(file.size(), Some(300_000));
    }
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [3, 3, 3]);
    let chunks: Vec<bytes::Bytes> = files[0].read_stream().unwrap().try_collect().await.unwrap();
    assert_eq!(chunks.concat(), vec![7; 300_000]);
    assert!(chunks.iter().all(|chunk| chunk.len() <= 128 << 10));
}

#[test]
fn files_are_open_only_while_they_are_used() {
    let parent = tempfile::tempdir().unwrap();
    let spill = spill_to(&[parent.path()]);
    let manager = manager(&spill, None);
    let files: Vec<_> = (0..50).map(|_| written(&manager, 10).unwrap()).collect();
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let open = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    let open = open.filter(|path| path.starts_with(parent.path()));
    assert_eq!(open.count(), 1, "the directory itself");
    drop(files);
    assert_eq!(fs::read_dir(spill.first()).unwrap().count(), 0);
}

#[test]
fn all_files_together_stay_within_the_bound_and_what_is_dropped_is_free_again() {
    let parent = tempfile::tempdir().unwrap();
    let spill = spill_to(&[parent.path()]);
    let (one, other) = (manager(&spill, Some(1000)), manager(&spill, Some(1000)));
    let first = written(&one, 600).unwrap();
    let error = written(&other, 600).err().unwrap().to_string();
    assert!(
        error.starts_with(NO_ROOM) && error.contains("spark.plimsoll.spill.maxSize allows 1000 B"),
        "{error}"
    );
    drop(first);
    written(&other, 600).unwrap();
    assert_eq!(spill.0.used.load(Ordering::Relaxed), 0);
}

#[test]
fn without_a_bound_a_tenth_of_the_disk_stays_free() {
    let parent = tempfile::tempdir().unwrap();
    let spill = spill_to(&[parent.path(), parent.path()]);
    let free = Disk::of(parent.path()).unwrap().free;
    let share = spill.0.share_of_disks();
    // Others write to the disk meanwhile.
    assert!(
        share > free / 10 * 8 && share < free / 100 * 95,
        "{share} of {free}"
    );
}

#[test]
fn a_file_system_in_memory_is_known() {
    // Every Linux has one there; a container may not.
    if let Ok(disk) = Disk::of(Path::new("/dev/shm")) {
        assert!(disk.in_memory);
    }
    assert!(!Disk::of(Path::new("/proc")).unwrap().in_memory);
}
