//! Runs that end early keep what they recorded.

use super::*;

/// A scene whose neuron 2 gets an infinite current from both of its circuits with its first spike:
/// their difference is not a number. Each value is valid by itself.
const BREAKS: &str = r#"(
    duration: "0.2 s",
    solver: Euler(dt: "1 ms"),
    sources: { "input": (size: 4, train: Spikes([(0, "5 ms"), (2, "20 ms"), (3, "50 ms")])) },
    populations: {
        "dpi": (
            size: 4,
            model: arcana(
                soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_norm: "1.4e9 /A"),
            ),
            biases: File("chip.csv"),
        ),
    },
    connections: [
        (from: "input", to: "dpi", receptor: ampa, rule: OneToOne, weight: 60000),
        (from: "input", to: "dpi", receptor: gabab, rule: OneToOne, weight: 60000),
    ],
    probes: {
        "raster": Spikes(of: "input"),
        "trace": Trace(of: "dpi", vars: [Imem], neurons: All, every: "1 ms"),
    },
)
"#;

/// A run that fails says who and when, and keeps what it recorded until then.
#[test]
fn a_state_that_is_not_a_number_ends_the_run() {
    let biases: &[u8] = b"neuron,ampa.Iw,gabab.Iw\n2,1e36,1e36\n";
    let folder = folder(&[("scene.ron", BREAKS.as_bytes()), ("chip.csv", biases)]);
    let args = ["run", "scene.ron", "--out", "out", "--json"];
    let output = picoamp(folder.path()).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    // The spike at 20 ms acts in the step from there to 21 ms.
    let message = "the state of neuron 2 of `dpi` is not a number at t = 0.021 s";
    assert!(stderr.contains(&format!("error: {message}\n")), "{stderr}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["error"]["message"], message);
    assert_eq!(answer["error"]["exit_code"], 1);

    let out = folder.path().join("out");
    let summary: Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["status"], "failed");
    assert_eq!(summary["error"], message);
    assert_eq!(summary["duration_s"], 0.2);
    let trace = fs::read_to_string(out.join("trace.csv")).unwrap();
    let last = trace.lines().last().unwrap();
    assert!(last.starts_with("0.02,"), "{last}");
    assert!(!trace.contains("NaN"), "{trace}");
    assert_eq!(trace.lines().count(), 1 + 21 * 4);
    assert!(out.join("trace.svg").is_file() && out.join("raster.svg").is_file());
    // The time that was reached is that of what is kept.
    assert_eq!(summary["simulated_s"], 0.02);
    let raster = fs::read_to_string(out.join("raster.csv")).unwrap();
    // Inputs act for 0 ≤ t < the time that was reached: the one of 20 ms belongs to the failed step.
    assert_eq!(raster, "neuron,time_s\n0,0.005\n");
}

/// A failure in the first step of a window (here of 100 steps) is reproduced: the time that was reached
/// is the start of that window.
#[test]
fn a_failure_is_had_again_wherever_it_happened() {
    let late = BREAKS.replace("(2, \"20 ms\"), (3, \"50 ms\")", "(2, \"100 ms\")");
    assert_ne!(late, BREAKS);
    let biases: &[u8] = b"neuron,ampa.Iw,gabab.Iw\n2,1e36,1e36\n";
    let folder = folder(&[("scene.ron", late.as_bytes()), ("chip.csv", biases)]);
    let path = folder.path();
    let (code, said) = refused(path, &["run", "scene.ron", "--out", "a", "--quiet"]);
    assert_eq!(code, 1, "{said}");
    let summary = |dir: &str| -> Value {
        serde_json::from_slice(&fs::read(path.join(dir).join("summary.json")).unwrap()).unwrap()
    };
    assert_eq!(summary("a")["simulated_s"], 0.1);
    done(path, &["reproduce", "a", "--out", "again"]);
    assert_eq!(summary("again")["status"], "failed");
    assert_eq!(summary("again")["error"], summary("a")["error"]);
    // A run that ends before does not fail, though it has the same spikes: none.
    let scene = path.join("a/scene.ron");
    let text = fs::read_to_string(&scene).unwrap();
    let old = text.lines().find(|line| line.trim().starts_with("duration:")).unwrap();
    let harmless = text.replace(old, "    duration: \"0.1 s\",");
    assert_ne!(harmless, text);
    fs::write(&scene, harmless).unwrap();
    let (code, said) = refused(path, &["reproduce", "a"]);
    assert_eq!(code, 7, "{said}");
}

/// More pulses than the sum of a circuit can hold, in one step.
#[test]
fn an_overflow_of_pulses_ends_the_run() {
    let folder = folder_with("ff_nominal.ron");
    let sets = [
        "sources.input.size=40000",
        "sources.input.train.rates=10 Hz",
        "populations.dpi.size=1",
        "connections.0.rule=AllToAll",
        "connections.0.weight=65536",
        "probes={}",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let output = picoamp(folder.path())
        .args(["run", "scene.ron", "--out", "out"])
        .args(sets)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("ampa of neuron 0 of `dpi` at t = 0 s"), "{stderr}");
    let summary = fs::read_to_string(folder.path().join("out/summary.json")).unwrap();
    assert!(summary.contains("\"status\": \"failed\""), "{summary}");
}

/// Ctrl-C ends a run after its window and keeps what was recorded.
#[test]
#[cfg(target_os = "linux")]
fn an_interrupted_run_keeps_what_it_recorded() {
    use std::process::{Child, Stdio};
    use std::time::Instant;

    /// Ends the process with the test, however that ends.
    struct Ended(Child);
    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Calls `f` until it answers; gives up after a time that no machine needs.
    fn wait_for<T>(what: &str, mut f: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(answer) = f() {
                return answer;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "waited too long for {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    for (signal, bit) in [("INT", 2), ("TERM", 15)] {
        let folder = folder_with("ff_nominal.ron");
        // Hours of work.
        let sets = ["solver.dt=20 us", "duration=100000 s", "probes.raster=Spikes(of: \"dpi\")"];
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_picoamp"))
            .current_dir(folder.path())
            .args(["run", "scene.ron", "--out", "out", "--json"])
            .args(sets.iter().flat_map(|set| ["--set", set]))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut child = Ended(child);
        let pid = child.0.id();
        // The handler is set just before the first window; before that a signal acts as always.
        wait_for("the handler of signals", || {
            assert!(child.0.try_wait().unwrap().is_none(), "the run ended by itself");
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
            (caught & (1 << (bit - 1)) != 0).then_some(())
        });
        let sent = std::process::Command::new("kill")
            .args([&format!("-{signal}"), &pid.to_string()])
            .status();
        assert!(sent.unwrap().success());
        let status = wait_for("the end of the run", || child.0.try_wait().unwrap());
        assert_eq!(status.code(), Some(130), "{signal}");

        let read = |pipe: &mut dyn std::io::Read| std::io::read_to_string(pipe).unwrap();
        let answer: Value = serde_json::from_str(&read(child.0.stdout.as_mut().unwrap())).unwrap();
        assert_eq!(answer["error"]["exit_code"], 130);
        let stderr = read(child.0.stderr.as_mut().unwrap());
        assert!(stderr.contains("error: interrupted at t = "), "{stderr}");

        let out = folder.path().join("out");
        assert_eq!(files(&out), names(FILES));
        let summary: Value =
            serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
        assert_eq!(summary["status"], "interrupted");
        assert_eq!(summary["duration_s"], 100_000.0);
        let simulated = summary["simulated_s"].as_f64().unwrap();
        assert!(simulated > 0.0 && simulated < 100_000.0, "{simulated}");
        // A sample each millisecond, the first at 0, and the header.
        let trace = fs::read_to_string(out.join("vmem.csv")).unwrap();
        assert_eq!(trace.lines().count() as u64, (simulated * 1000.0).round() as u64 + 2);
    }
}

/// A file system that takes no more of one table: the run ends, says which one, and writes the rest.
#[cfg(target_os = "linux")]
#[test]
fn a_table_that_cannot_be_written_ends_the_run_and_leaves_the_others() {
    let long = r#"(duration: "60 s", solver: Euler(dt: "1 ms"),
        sources: { "input": (size: 100, train: Regular(rates: "200 Hz")) },
        probes: { "raster": Spikes(of: "input"), "rate": Rate(of: "input", bin: "10 ms") })"#;
    let folder = folder(&[("scene.ron", long.as_bytes())]);
    // Files of at most 400 kB; without the signal the program sees an error.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 800; exec {} run scene.ron --out out",
        env!("CARGO_BIN_EXE_picoamp")
    );
    let shell = std::process::Command::new("sh")
        .args(["-c", &limited])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&shell.stderr);
    assert_eq!(shell.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("raster.csv"), "{stderr}");
    let out = folder.path().join("out");
    let summary: Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["status"], "failed");
    assert!(summary["error"].as_str().unwrap().contains("raster.csv"), "{}", summary["error"]);
    assert!(summary["simulated_s"].as_f64().unwrap() < 60.0, "there is no use in going on");
    assert!(fs::read_to_string(out.join("rate.csv")).unwrap().lines().count() > 10);
    let rows = fs::read_to_string(out.join("raster.csv")).unwrap();
    assert!(rows.len() > 100_000, "{}", rows.len());

    // A piece that is too large: nothing of it is left.
    let long = long.replace("Regular(", "Poisson(").replace("Spikes(", "Spikes(format: Parquet, ");
    fs::write(folder.path().join("scene.ron"), long).unwrap();
    let shell = std::process::Command::new("sh")
        .args(["-c", &format!("{limited} --force")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&shell.stderr);
    assert_eq!(shell.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("raster.parquet"), "{stderr}");
    let summary: Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(
        (&summary["status"], &summary["tables"]["raster"]["rows"]),
        (&json!("failed"), &json!(0))
    );
    assert!(summary["simulated_s"].as_f64().unwrap() < 60.0, "there is no use in going on");
    assert_eq!(
        files(&out),
        names(["raster.svg", "rate.csv", "rate.svg", "scene.ron", "summary.json"])
    );
}
