//! What `check` says of sweeps: points, work, slices, and formats that they do not have.

use super::*;

/// The points of a sweep share tables, which are CSV.
#[test]
fn a_sweep_has_no_other_format() {
    let folder = folder(&[("sweep.ron", SCENE.as_bytes())]);
    let args = ["run", "sweep.ron", "--out", "out", "--set", "probes.spikes.format=Parquet"];
    let check = ["check", "sweep.ron", "--set", "probes.spikes.format=Parquet"];
    for args in [&args[..], &check] {
        let (code, said) = refused(folder.path(), args);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("the tables of a sweep are CSV, but `spikes` has Parquet"), "{said}");
        assert!(said.contains("--set probes.spikes.format=Csv"), "{said}");
    }
    // At some points only.
    let swept = r#"sweep={ "probes.spikes.format": List([Csv, Parquet]) }"#;
    let (code, said) = refused(folder.path(), &["check", "sweep.ron", "--set", swept]);
    assert!(code == 3 && said.contains("the tables of a sweep are CSV"), "{said}");
    assert!(!folder.path().join("out").exists());
}

#[test]
fn check_tells_points_work_and_slices() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let output = done(folder.path(), &["check", "scene.ron"]);
    let text = stdout(&output);
    for expected in [
        "  sweep        6 points (grid of 2 × 3), each with a seed of its own\n",
        "    sources.clock.train.rates: 10 Hz, 20 Hz\n",
        "    populations.dpi.model.soma.Itau: 4 pA, 8 pA, 16 pA\n",
        "  work         36 neurons from event to event\n",
        " slice",
        "for the largest point",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let point = done(folder.path(), &["check", "scene.ron", "--point", "1"]);
    assert!(!stdout(&point).contains("sweep"));
    let shown = done(folder.path(), &["resolve", "scene.ron"]);
    fs::write(folder.path().join("again.ron"), stdout(&shown)).unwrap();
    assert_eq!(stdout(&done(folder.path(), &["resolve", "again.ron"])), stdout(&shown));
}

/// A number and its unit, as `12.3 MB`, in bytes.
fn bytes(text: &str) -> f64 {
    let (number, unit) = text.split_once(' ').unwrap();
    let power = ["B", "kB", "MB", "GB", "TB", "PB"].iter().position(|known| *known == unit);
    number.parse::<f64>().unwrap() * 1000_f64.powi(power.unwrap() as i32)
}

/// What the largest point needs, and what is available, bytes.
fn memory(text: &str) -> (f64, f64) {
    let line = text.lines().find(|line| line.starts_with("  memory")).unwrap();
    let largest = line.split("about ").nth(1).unwrap().split(" for").next().unwrap();
    let available = line.split("of ").nth(1).unwrap().split(" available").next().unwrap();
    (bytes(largest), bytes(available))
}

/// A sweep that does not fit into memory side by side runs in more slices, and `check` says so; a point that does
/// not fit by itself is refused.
#[test]
fn check_tells_slices_by_memory() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    // The trace of a neuron grows with the duration.
    let check = |seconds: f64| {
        let set = format!("duration={seconds} s");
        let fine = "probes.trace.every=10 us";
        let args = ["check", "scene.ron", "--set", &set, "--set", fine];
        let output = picoamp(folder.path()).args(args).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (_, text) = check(10.0);
    let (largest, available) = memory(&text);
    // Half of the memory a point: of three quarters one has room.
    let (code, text) = check(10.0 * 0.5 * available / largest);
    assert_eq!(code, 0, "{text}");
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let why = if threads > 1 { "as many as fit into memory" } else { "one a thread" };
    assert!(text.contains(&format!("  side by side 1 point ({why}): 6 slices\n")), "{text}");
    let (code, _) = check(100.0 * available / largest);
    assert_eq!(code, 4);
}

/// A point whose tables are what is too large is refused too, before anything is written; by itself it writes
/// them while it runs.
#[test]
fn tables_that_do_not_fit_into_memory_are_refused() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let fine = "probes.trace.every=10 us";
    let (_, available) = memory(stdout(&done(folder.path(), &["check", "scene.ron"])));
    // 100 000 times a second a row in each of two replicas: 48 bytes as records, as text about as many.
    let records = |part: f64| format!("duration={} s", part * available / (200_000.0 * 48.0));

    // Both fit, but not the tables of another point that wait: one point after the other.
    let args = ["check", "scene.ron", "--set", fine, "--set", &records(0.33)];
    let output = done(folder.path(), &args);
    let (largest, available) = memory(stdout(&output));
    assert!(largest > 0.5 * available && largest <= available, "{}", stdout(&output));

    // Each fits, both do not.
    let duration = records(0.67);
    let with = |args: &[&'static str]| [args, &["--set", fine, "--set", &duration]].concat();
    let (code, said) = refused(folder.path(), &with(&["check", "scene.ron"]));
    assert_eq!(code, 4, "{said}");
    // How much there is hangs on the machine.
    let is_size = |word: &&str| word.contains('.') && word.parse::<f64>().is_ok();
    let words = said.split(' ').map(|word| if is_size(&word) { "N" } else { word });
    insta::assert_snapshot!(words.collect::<Vec<_>>().join(" "), @r"
    error: at point 5 (sources.clock.train.rates = 20 Hz, populations.dpi.model.soma.Itau = 16 pA): the scene needs about N GB of memory, but N GB are available; the largest part is probe `trace` and its tables with N GB
    help: a sweep keeps records and tables of a point in memory until the point is done: record fewer neurons, less often or for a shorter time, reduce the replicas, or run points by themselves, which writes long tables during the run (picoamp run SCENE --point 5)
    ");
    let again = refused(folder.path(), &with(&["run", "scene.ron", "--out", "out"]));
    assert_eq!((again.0, folder.path().join("out").exists()), (4, false), "{}", again.1);
    done(folder.path(), &with(&["check", "scene.ron", "--point", "5"]));
}
