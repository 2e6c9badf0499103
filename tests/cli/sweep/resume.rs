//! Sweeps that are killed go on to the same tables; what `--resume` refuses.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::Instant;

use super::*;

/// A sweep that takes some seconds: 24 points of 40 neurons.
fn slow() -> String {
    SCENE
        .replace("size: 3", "size: 40")
        .replace("duration: \"0.2 s\"", "duration: \"1 s\"")
        .replace("n: 3", "n: 12")
}

/// A process that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(folder: &Path, args: &[&str]) -> Ended {
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_picoamp"))
        .current_dir(folder)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ended(child.unwrap())
}

/// Starts a sweep and kills it once so many of its points are sealed; `None` if it ended before.
fn kill_after(folder: &Path, args: &[&str], points: u64) -> Option<Value> {
    let mut child = spawn(folder, args);
    let deadline = Instant::now() + Duration::from_secs(120);
    let out = folder.join("out");
    loop {
        assert!(Instant::now() < deadline, "waited too long for {points} points");
        if child.0.try_wait().unwrap().is_some() {
            return None;
        }
        let sealed = out.join("points.csv").exists().then(|| summary_of(&out));
        if sealed.is_some_and(|summary| summary["sweep"]["done"].as_u64() >= Some(points)) {
            child.0.kill().unwrap();
            child.0.wait().unwrap();
            return Some(summary_of(&out));
        }
        std::thread::yield_now();
    }
}

/// All files of a folder but the summary, which has wall times.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = files(folder).into_iter().filter(|name| name != "summary.json");
    names.map(|name| (name.clone(), fs::read(folder.join(&name)).unwrap())).collect()
}

#[cfg(unix)]
#[test]
fn a_sweep_that_is_killed_goes_on_to_the_same_tables() {
    let folder = folder(&[("scene.ron", slow().as_bytes())]);
    let path = folder.path();
    run(path, "scene.ron", "whole", &["--threads", "1"]);
    let whole = contents(&path.join("whole"));

    let start = ["run", "scene.ron", "--out", "out", "--quiet"];
    let killed = kill_after(path, &start, 5).expect("it was to be killed before its end");
    assert_eq!(killed["status"], "unfinished");
    let mut done = killed["sweep"]["done"].as_u64().unwrap();
    assert!((5..24).contains(&done), "{done}");
    // What is sealed is there, in whole rows, and it is the beginning of what will be.
    for (name, bytes) in killed["sweep"]["tables"].as_object().unwrap() {
        let bytes = bytes.as_u64().unwrap() as usize;
        let table = fs::read(path.join("out").join(name)).unwrap();
        assert!(table[..bytes] == whole[name][..bytes], "{name}");
        assert_eq!(table[bytes - 1], b'\n');
    }
    let (code, said) = refused(path, &start);
    assert_eq!(code, 5);
    assert!(said.contains("--force") && said.contains("--resume"), "{said}");
    let (code, said) = refused(path, &["report", "out"]);
    assert!(code == 5 && said.contains("unfinished") && said.contains("--resume"), "{said}");

    // Rows that were not sealed when the power failed, and once more killed.
    let mut spikes = fs::File::options().append(true).open(path.join("out/spikes.csv")).unwrap();
    std::io::Write::write_all(&mut spikes, b"23,20,1.6e-11,0,0,0.1\n23,2").unwrap();
    let resume = [&start[..], &["--resume"]].concat();
    while let Some(summary) = kill_after(path, &resume, done + 6) {
        let now = summary["sweep"]["done"].as_u64().unwrap();
        assert!(now > done);
        done = now;
    }
    let summary = summary_of(&path.join("out"));
    assert_eq!((&summary["status"], &summary["sweep"]["done"]), (&json!("complete"), &json!(24)));
    assert!(contents(&path.join("out")) == whole, "the tables differ");
    assert_eq!(summary["spike_hash"], summary_of(&path.join("whole"))["spike_hash"]);
    // Nothing is left to do.
    let before = fs::read(path.join("out/summary.json")).unwrap();
    let output = self::done(path, &[&resume[..4], &["--resume"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "out: the results are complete, nothing is left to do\n");
    assert_eq!(fs::read(path.join("out/summary.json")).unwrap(), before);
    // The copy in the folder is the scene, too.
    self::done(path, &["run", "out/scene.ron", "--out", "out", "--resume"]);
}

#[test]
fn what_cannot_be_gone_on_with_is_refused() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    let fresh = ["run", "scene.ron", "--out", "out", "--quiet", "--resume"];
    // There is nothing yet: it starts.
    done(path, &fresh);
    let summary = summary_of(&path.join("out"));
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut edited = summary.clone();
        edited["status"] = "unfinished".into();
        edit(&mut edited);
        fs::write(path.join("out/summary.json"), edited.to_string()).unwrap();
    };
    let say = |args: &[&str]| {
        let (code, said) = refused(path, &[&fresh, args].concat());
        assert_eq!(code, 5, "{said}");
        said
    };
    insta::assert_snapshot!(
        [
            say(&["--seed", "4"]),
            say(&["--set", "populations.dpi.size=7", "--set", "duration=1 s"]),
            say(&["--set", "sweep=Off"]),
            {
                with(&|summary| summary["program_version"] = "0.0.9".into());
                say(&[])
            },
            {
                with(&|summary| summary["sweep"] = Value::Null);
                say(&[])
            },
            {
                let bytes = |name: &str| read(path.join("out").join(name)).len() as u64;
                let tables = ["points.csv", "clock.csv", "rates.csv", "rates.band.csv", "spikes.csv", "trace.csv"];
                let lengths: BTreeMap<&str, u64> = tables.map(|name| (name, bytes(name))).into();
                with(&|summary| summary["sweep"] = json!({ "points": 6, "done": 5, "failed": 0, "tables": lengths }));
                fs::write(path.join("out/clock.csv"), "point\n").unwrap();
                let said = say(&[]);
                said.replace(&lengths["clock.csv"].to_string(), "<length>")
            },
            {
                fs::create_dir(path.join("mine")).unwrap();
                fs::write(path.join("mine/data.txt"), "mine").unwrap();
                let args = ["run", "scene.ron", "--out", "mine", "--resume"];
                refused(path, &args).1.lines().next().unwrap().to_string()
            },
        ]
        .join("\n"),
        @r#"
        error: out: these are results of another scene: seed is 3 there and 4 here
        help: start again with --force, or in another folder with --out

        error: out: these are results of another scene: duration is "0.2 s" there and "1 s" here; populations.dpi.size is 3 there and 7 here
        help: start again with --force, or in another folder with --out

        error: out: these are results of a sweep, and this is a single run
        help: choose another folder with --out, or start again with --force

        error: out: these results are of picoamp 0.0.9, and this is picoamp 0.1.0
        help: results may differ between versions: start again with --force, or in another folder

        error: out: summary.json does not say how far the sweep is
        help: run the sweep again from the start with --force

        error: out: clock.csv has 6 bytes, but summary.json says that <length> were written
        help: run the sweep again from the start with --force

        error: mine: this is no results folder: it has no summary.json
        "#
    );
    assert_eq!(refused(path, &[&fresh[..], &["--force"]].concat()).0, 2);
}

/// Where a table cannot be written any more, what was sealed before is kept, and the sweep goes on from there.
#[cfg(unix)]
#[test]
fn a_sweep_whose_tables_cannot_be_written_goes_on_later() {
    let folder = folder(&[("scene.ron", slow().as_bytes())]);
    let path = folder.path();
    run(path, "scene.ron", "whole", &["--threads", "1"]);
    let whole = contents(&path.join("whole"));
    let largest = whole.values().map(Vec::len).max().unwrap();
    // In the shell's blocks of 512 bytes (or of 1024: then it fails later), and no signal for it.
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", largest / 2 / 1024);
    let output = std::process::Command::new("sh")
        .current_dir(path)
        .args(["-c", &limit, "sh", env!("CARGO_BIN_EXE_picoamp")])
        .args(["run", "scene.ron", "--out", "out", "--threads", "1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
    let summary = summary_of(&path.join("out"));
    let done_points = summary["sweep"]["done"].as_u64().unwrap();
    assert!(done_points < 24, "{summary}");
    for (name, bytes) in summary["sweep"]["tables"].as_object().unwrap() {
        let length = fs::metadata(path.join("out").join(name)).unwrap().len();
        assert!(length >= bytes.as_u64().unwrap(), "{name}: {length} bytes instead of {bytes}");
    }
    done(path, &["run", "scene.ron", "--out", "out", "--threads", "1", "--resume"]);
    assert!(contents(&path.join("out")) == whole);
}

/// A folder belongs to one process at a time.
#[cfg(unix)]
#[test]
fn a_folder_that_is_being_written_is_refused() {
    let text = slow().replace("duration: \"1 s\"", "duration: \"100000 s\"");
    let folder = folder(&[("scene.ron", text.as_bytes())]);
    let path = folder.path();
    for sets in [&[][..], &["--set", "sweep=Off"]] {
        let args = [&["run", "scene.ron", "--out", "out"], sets].concat();
        let mut child = spawn(path, &args);
        let deadline = Instant::now() + Duration::from_secs(120);
        while !path.join("out/scene.ron").exists() {
            assert!(Instant::now() < deadline && child.0.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        for option in ["--force", "--resume"] {
            let (code, said) = refused(path, &[&args[..], &[option]].concat());
            assert_eq!(code, 5, "{said}");
            assert!(said.contains("another picoamp is writing these results"), "{said}");
        }
        drop(child);
        fs::remove_dir_all(path.join("out")).unwrap();
    }
}

/// A single run is not kept in pieces: it starts again.
#[test]
fn a_single_run_that_was_killed_starts_again() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    let args = ["--set", "sweep=Off"];
    run(path, "scene.ron", "whole", &args);
    run(path, "scene.ron", "out", &args);
    let mut summary = summary_of(&path.join("out"));
    summary["status"] = "unfinished".into();
    fs::write(path.join("out/summary.json"), summary.to_string()).unwrap();
    fs::write(path.join("out/spikes.csv"), "replica,neuron,time_s\n0,0").unwrap();
    let resume = ["run", "scene.ron", "--out", "out", "--set", "sweep=Off", "--resume"];
    done(path, &resume);
    assert!(contents(&path.join("out")) == contents(&path.join("whole")));
    let output = done(path, &resume);
    assert!(String::from_utf8(output.stderr).unwrap().contains("nothing is left to do"));
    let (code, said) = refused(path, &[&resume[..], &["--seed", "9"]].concat());
    assert_eq!(code, 5);
    assert!(said.contains("seed is 3 there and 9 here"), "{said}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_the_points_that_are_done() {
    let folder = folder(&[("scene.ron", slow().as_bytes())]);
    let path = folder.path();
    let mut child = spawn(path, &["run", "scene.ron", "--out", "out", "--threads", "1"]);
    let deadline = Instant::now() + Duration::from_secs(120);
    let done_of = || summary_of(&path.join("out"))["sweep"]["done"].as_u64();
    while !path.join("out/points.csv").exists() || done_of() < Some(2) {
        assert!(Instant::now() < deadline && child.0.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let pid = child.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.0.wait().unwrap().code(), Some(130));
    let summary = summary_of(&path.join("out"));
    let reached = summary["sweep"]["done"].as_u64().unwrap();
    assert!((2..24).contains(&reached), "{reached}");
    assert_eq!(summary["status"], "interrupted");
    assert_eq!(summary["error"], format!("interrupted after {reached} of 24 points"));
    // As far as it went it can be had again, and compared.
    let output = done(path, &["reproduce", "out"]);
    assert!(stdout(&output).contains(&format!("{reached} points with the same spikes")));
    done(path, &["run", "scene.ron", "--out", "out", "--resume", "--quiet"]);
    run(path, "scene.ron", "whole", &[]);
    assert!(contents(&path.join("out")) == contents(&path.join("whole")));
}

/// What was killed while it began has measured nothing: it begins again.
#[test]
fn a_run_that_was_killed_before_its_scene_was_written_begins_again() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    for sets in [&[][..], &["--set", "sweep=Off"]] {
        run(path, "scene.ron", "whole", sets);
        let whole = contents(&path.join("whole"));
        let scene = read(path.join("whole/scene.ron"));
        let summary = summary_of(&path.join("whole"));
        let began = json!({
            "schema_version": summary["schema_version"],
            "program_version": summary["program_version"],
            "status": "unfinished",
            "files": summary["files"],
        });
        let out = path.join("out");
        let args = [&["run", "scene.ron", "--out", "out"], sets].concat();
        // Before the scene, in its middle, before the first summary was whole.
        for (text, summary) in [("", true), (&scene[..scene.len() / 2], true), ("", false)] {
            fs::create_dir(&out).unwrap();
            if !text.is_empty() {
                fs::write(out.join("scene.ron"), text).unwrap();
            }
            let name = if summary { "summary.json" } else { "summary.json.part" };
            let began = began.to_string();
            fs::write(out.join(name), if summary { &began } else { "{\"sch" }).unwrap();
            if summary {
                let (code, said) = refused(path, &args);
                assert!(code == 5 && said.contains("--resume"), "{said}");
            }
            done(path, &[&args[..], &["--resume"]].concat());
            assert!(contents(&out) == whole, "{text}");
            fs::remove_dir_all(&out).unwrap();
        }
        // Another scene's is not taken for one's own.
        fs::create_dir(&out).unwrap();
        fs::write(out.join("summary.json"), began.to_string()).unwrap();
        fs::write(out.join("scene.ron"), "// another\n(").unwrap();
        let (code, said) = refused(path, &[&args[..], &["--resume"]].concat());
        assert!(code == 5 && said.contains("another scene"), "{said}");
        fs::remove_dir_all(&out).unwrap();
        fs::remove_dir_all(path.join("whole")).unwrap();
    }
}
