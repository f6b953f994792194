//! What is advised of plain evidence, and in which words.

use plimsoll_advisor::{
    Advice, Cached, Change, Circumstances, Failure, Promise, QueryEvidence, Spill, for_cache,
    for_query, for_run,
};
use plimsoll_conf::settings::StorageLevel;
use plimsoll_conf::{Conf, Machine, MemoryLayout, Origin};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn conf(settings: &[(&str, &str)]) -> Conf {
    let mut conf = Conf::default();
    for (key, value) in settings {
        conf.set(key, value, Origin::Code).unwrap();
    }
    conf
}

fn spilled(operator: &str, bytes: u64, demand: u64) -> QueryEvidence {
    QueryEvidence {
        spills: vec![Spill {
            operator: operator.to_owned(),
            bytes,
            passes: 1,
            ..Spill::default()
        }],
        peak_demand: demand,
        ample: demand,
        ..QueryEvidence::default()
    }
}

fn advise(evidence: &QueryEvidence, conf: &Conf, memory: u64) -> Vec<Advice> {
    let machine = Machine::with_memory(memory);
    let circumstances = Circumstances {
        conf,
        machine: &machine,
        ceiling: None,
    };
    for_query(evidence, &circumstances)
}

/// The unified memory of these settings after a change.
fn unified(settings: &[(&str, &str)], change: &Change) -> u64 {
    let Change::Set { key, value, .. } = change else {
        panic!("{change}");
    };
    let mut conf = conf(settings);
    conf.set(key, value, Origin::Code).unwrap();
    let machine = Machine::with_memory(64 * GIB);
    let layout = MemoryLayout::new(&conf.settings().unwrap(), &machine).unwrap();
    layout.executor.unified.bytes
}

#[test]
fn nothing_is_advised_where_nothing_was_spilled() {
    let evidence = spilled("ExternalSortExec", 0, GIB);
    assert_eq!(advise(&evidence, &conf(&[]), 64 * GIB), Vec::new());
}

#[test]
fn memory_is_told_in_the_terms_in_which_it_was_set() {
    let evidence = spilled("HybridHashJoinExec", 3 * GIB, 2 * GIB);
    for (settings, begins) in [
        (&[("spark.plimsoll.memory", "1g")][..], "--memory "),
        (&[("spark.executor.memory", "2g")], "spark.executor.memory="),
        (&[("spark.driver.memory", "2g")], "spark.driver.memory="),
        (&[], "--memory "),
    ] {
        let advice = advise(&evidence, &conf(settings), 64 * GIB).remove(0);
        let told = advice.to_string();
        assert!(told.starts_with(begins), "{told}");
        assert!(
            told.ends_with("HybridHashJoinExec spilled 3 GiB, and the query would have held 2 GiB"),
            "{told}"
        );
        assert_eq!(advice.promise, Promise::NoSpill);
        let unified = unified(settings, &advice.change);
        assert!((2 * GIB..3 * GIB).contains(&unified), "{told}: {unified}");
    }
}

#[test]
fn more_than_there_is_is_told_as_what_it_takes() {
    let evidence = spilled("ExternalSortExec", 9 * GIB, 10 * GIB);
    let advice = advise(
        &evidence,
        &conf(&[("spark.plimsoll.memory", "4g")]),
        8 * GIB,
    );
    let Change::Machine { memory, .. } = advice[0].change else {
        panic!("{}", advice[0]);
    };
    assert!((16 * GIB..24 * GIB).contains(&memory), "{}", advice[0]);
    assert!(
        advice[0].reason.ends_with("; 8 GiB is all the machine has"),
        "{}",
        advice[0]
    );
}

#[test]
fn one_key_that_has_most_is_told_and_no_partitions_are_advised() {
    let settings = conf(&[
        ("spark.plimsoll.memory", "512m"),
        ("spark.sql.shuffle.partitions", "4"),
    ]);
    let mut evidence = spilled("HybridHashJoinExec", 3 * GIB, 2 * GIB);
    evidence.spills[0].passes = 3;
    evidence.spills[0].partitions = 4;
    let partitions = |advice: &[Advice]| {
        let told = advice.iter().map(ToString::to_string);
        told.filter(|told| told.starts_with("spark.sql.shuffle.partitions="))
            .count()
    };
    assert_eq!(partitions(&advise(&evidence, &settings, 64 * GIB)), 1);
    evidence.spills[0].hottest_key = Some(0.4);
    let advice = advise(&evidence, &settings, 64 * GIB);
    assert_eq!(partitions(&advice), 0);
    assert!(
        advice[0]
            .reason
            .contains("one key has 40 % of the build side: more partitions will not help"),
        "{}",
        advice[0]
    );
    assert!(advice[0].reason.contains(" in 3 passes"), "{}", advice[0]);
}

#[test]
fn what_is_known_of_a_part_is_told_of_the_whole() {
    let evidence = QueryEvidence {
        peak_demand: 100 * MIB,
        ample: 100 * MIB,
        failure: Some(Failure::Memory {
            lacking: 20 * MIB,
            unreserved: 0,
            read: Some(0.25),
        }),
        ..QueryEvidence::default()
    };
    let settings = [("spark.plimsoll.memory", "450m")];
    let advice = advise(&evidence, &conf(&settings), 64 * GIB);
    assert_eq!(advice[0].promise, Promise::NoError);
    assert!(
        advice[0].reason.contains("when 25 % of the input was read"),
        "{}",
        advice[0]
    );
    assert!(unified(&settings, &advice[0].change) >= 480 * MIB);
}

#[test]
fn a_query_that_was_ended_in_a_full_process_lacked_what_nobody_had_reserved() {
    let evidence = QueryEvidence {
        failure: Some(Failure::Memory {
            lacking: 0,
            unreserved: 200 * MIB,
            read: None,
        }),
        ..QueryEvidence::default()
    };
    let settings = [("spark.plimsoll.memory", "450m")];
    let advice = advise(&evidence, &conf(&settings), 64 * GIB);
    let reason = &advice[0].reason;
    assert!(reason.contains("with 200 MiB that no operator"), "{reason}");
    assert!(reason.contains("would have held 200 MiB"), "{reason}");
    assert!(!reason.contains(" 0 B"), "{reason}");
    assert!(unified(&settings, &advice[0].change) >= 400 * MIB);
}

fn cached(name: &str, in_full: u64, hits: u64, evictions: u64) -> Cached {
    Cached {
        name: name.to_owned(),
        level: StorageLevel {
            disk: true,
            memory: true,
            off_heap: false,
            deserialized: true,
            replication: 1,
        },
        memory: in_full / 2,
        in_full,
        serialized: in_full / 4,
        hits,
        evictions,
        disk_reads: evictions,
        recomputes: 0,
    }
}

#[test]
fn an_idle_cache_is_uncached_before_anything_is_bought() {
    let settings = conf(&[
        ("spark.plimsoll.memory", "1300m"),
        ("spark.plimsoll.memory.lending", "false"),
    ]);
    // 600 MiB of unified memory, half of it safe from execution.
    let mut evidence = spilled("ExternalSortExec", 330 * MIB, 380 * MIB);
    evidence.limit = Some(300 * MIB);
    evidence.cached = vec![cached("idle", 600 * MIB, 0, 0)];
    let advice = advise(&evidence, &settings, 64 * GIB);
    assert_eq!(
        advice[0].change.to_string(),
        "UNCACHE TABLE idle",
        "{}",
        advice[0]
    );
    evidence.cached = vec![cached("used", 600 * MIB, 9, 0)];
    let advice = advise(&evidence, &settings, 64 * GIB);
    assert_eq!(
        advice[0].change.to_string(),
        "spark.memory.storageFraction=0.1",
        "{}",
        advice[0]
    );
    // What a cache gives up goes to more threads, of which each takes some.
    evidence.was_cut = true;
    let advice = advise(&evidence, &settings, 64 * GIB);
    let memory = advice[0].change.to_string();
    assert!(memory.starts_with("--memory "), "{memory}");
}

#[test]
fn evicted_blocks_are_given_memory_a_region_or_another_level() {
    let settings = conf(&[("spark.plimsoll.memory", "1300m")]);
    let machine = Machine::with_memory(64 * GIB);
    let circumstances = Circumstances {
        conf: &settings,
        machine: &machine,
        ceiling: None,
    };
    let none = for_cache(&[cached("t", 400 * MIB, 3, 0)], 300 * MIB, &circumstances);
    assert_eq!(none, Vec::new());
    let advice = for_cache(&[cached("t", 320 * MIB, 3, 5)], 300 * MIB, &circumstances);
    let told: Vec<String> = advice.iter().map(ToString::to_string).collect();
    assert_eq!(
        told[1],
        "spark.memory.storageFraction=0.75: t had 5 blocks evicted, 5 blocks read from disk; all that is cached takes \
         320 MiB, and 300 MiB are safe from queries"
    );
    assert!(told[0].starts_with("--memory 1"), "{}", told[0]);
    assert!(
        told[2].starts_with("cache t at MEMORY_AND_DISK_SER: "),
        "{}",
        told[2]
    );
    // Where the line cannot be raised, it is not.
    let server = Circumstances {
        ceiling: Some(1300 * MIB),
        ..circumstances
    };
    let advice = for_cache(&[cached("t", 400 * MIB, 3, 5)], 300 * MIB, &server);
    assert!(
        !advice.iter().any(|a| a.to_string().starts_with("--memory")),
        "{advice:?}"
    );
}

#[test]
fn what_never_came_to_stay_in_memory_is_uncached() {
    let mut vain = cached("t", 0, 0, 1);
    vain.disk_reads = 0;
    let settings = conf(&[("spark.plimsoll.memory", "64m")]);
    let machine = Machine::with_memory(64 * GIB);
    let circumstances = Circumstances {
        conf: &settings,
        machine: &machine,
        ceiling: None,
    };
    let advice = for_cache(&[vain], 0, &circumstances);
    assert_eq!(advice.len(), 1, "{advice:?}");
    assert_eq!(
        advice[0].to_string(),
        "UNCACHE TABLE t: t had 1 block evicted, and nothing of it is in memory"
    );
}

#[test]
fn groups_of_one_thread_are_given_room_for_several() {
    let settings = [("spark.plimsoll.memory", "450m")];
    let given = |was_cut, has_groups| {
        let evidence = QueryEvidence {
            was_cut,
            has_groups,
            ..spilled("HybridHashAggregateExec", 50 * MIB, 200 * MIB)
        };
        let advice = advise(&evidence, &conf(&settings), 64 * GIB);
        unified(&settings, &advice[0].change) / MIB
    };
    assert!((600..700).contains(&given(true, true)));
    assert!((300..400).contains(&given(true, false)));
    assert!((250..300).contains(&given(false, true)));
}

#[test]
fn a_run_is_told_of_each_setting_once_and_of_errors_first() {
    let advice = |value: &str, promise| Advice {
        change: Change::Set {
            key: "spark.plimsoll.memory".to_owned(),
            value: value.to_owned(),
            option: None,
        },
        reason: value.to_owned(),
        promise,
    };
    let uncache = Advice {
        change: Change::Uncache { name: "t".into() },
        reason: String::new(),
        promise: Promise::NoSpill,
    };
    let spills = [
        advice("900m", Promise::NoSpill),
        advice("1g", Promise::NoSpill),
    ];
    let all = spills.into_iter().chain([uncache.clone()]);
    assert_eq!(
        for_run(all.clone()),
        [advice("1g", Promise::NoSpill), uncache.clone()]
    );
    let all = [uncache.clone()].into_iter().chain(all);
    let all = all.chain([advice("512m", Promise::NoError)]);
    assert_eq!(for_run(all), [advice("512m", Promise::NoError), uncache]);
}
