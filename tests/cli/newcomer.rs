//! What somebody meets who is new here: slips, pictures that are in the way, and what to look at next.

use super::*;

/// What a command said on stderr.
fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The report of a measurement shows what was printed and its own pictures.
#[test]
fn a_measurement_is_reported_with_its_own_pictures() {
    let folder = folder(&[]);
    let path = folder.path();
    let measured = done(path, &["measure", "mismatch", "--cv", "0.2", "--out", "out"]);
    let printed = stdout(&measured);
    assert_eq!(fs::read_to_string(path.join("out/measured.txt")).unwrap(), printed);
    for picture in ["out/tau.svg", "out/rheobase.svg", "out/nmda.jump.svg", "out/ahp.gain.svg"] {
        assert!(said(&measured).contains(&format!("  {picture}\n")), "{picture}");
    }
    done(path, &["report", "out"]);
    let html = fs::read_to_string(path.join("out/report.html")).unwrap();
    assert!(html.contains("<h2>Measured</h2>"));
    assert!(printed.lines().all(|line| html.contains(line)), "{printed}");
    for chart in ["soma tau (ms)", "rheobase without feedback (pA)", "nmda jump (pA)"] {
        assert!(html.contains(&format!("\"label\":\"{chart}\"")), "{chart}");
    }
    assert!(!html.contains("http://"));
    // A run has measured nothing.
    fs::write(path.join("scene.ron"), "(duration: \"1 ms\")").unwrap();
    run(path, "scene.ron", "bare", &[]);
    done(path, &["report", "bare"]);
    let html = fs::read_to_string(path.join("bare/report.html")).unwrap();
    assert!(!html.contains("<h2>Measured</h2>"));
}

/// All pictures of a measurement can be drawn again, those of its probes and its own, to the same bytes.
#[test]
fn pictures_of_measurements_are_drawn_again() {
    let folder = folder(&[]);
    let path = folder.path();
    for (args, count) in [
        (&["mismatch", "--cv", "0.2"][..], 18),
        (&["mismatch", "--model", "arcana", "--replicas", "2"], 9),
        (&["epsp", "--replicas", "2"], 5),
        (&["epsp", "--model", "arcana", "--set", "probes.ampa.format=Parquet"], 3),
        (&["fi", "--bare"], 1),
    ] {
        done(path, &[&["measure"], args, &["--out", "out", "--force"]].concat());
        let pictures = |from: &str| -> Vec<(String, String)> {
            let names = files(&path.join(from)).into_iter().filter(|name| name.ends_with(".svg"));
            let text = |name: &String| fs::read_to_string(path.join(from).join(name)).unwrap();
            names.map(|name| (name.clone(), text(&name))).collect()
        };
        assert_eq!(pictures("out").len(), count, "{args:?}");
        done(path, &["plot", "out", "--out", "drawn"]);
        assert!(pictures("drawn") == pictures("out"), "{args:?}");
        fs::remove_dir_all(path.join("drawn")).unwrap();
    }
    done(path, &["measure", "epsp", "--out", "out", "--force"]);
    let png = ["plot", "out", "epsp", "--format", "png", "--size", "300x200", "--scale", "1"];
    done(path, &png);
    let png = fs::read(path.join("out/epsp.png")).unwrap();
    let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|k| png[at + k]));
    assert_eq!((word(16), word(20)), (300, 200));
    assert!(!path.join("out/ampa.png").exists());
    done(path, &["plot", "out", "epsp", "--title", "Mine"]);
    assert!(fs::read_to_string(path.join("out/epsp.svg")).unwrap().contains("Mine"));
    let (code, said) = refused(path, &["plot", "out", "epsps"]);
    assert!(code == 5 && said.contains("did you mean `epsp`?"), "{said}");
    // Its tables are what it is drawn from.
    fs::write(path.join("out/nmda.csv"), "time_s\n").unwrap();
    let (code, said) = refused(path, &["plot", "out", "epsp"]);
    assert!(code == 5 && said.contains("the probe `nmda` cannot be drawn: nmda.csv"), "{said}");
    // A report says so once, with the reason, and has the others.
    done(path, &["report", "out"]);
    let html = fs::read_to_string(path.join("out/report.html")).unwrap();
    let warnings: Vec<&str> = html.split("<p class=\"warning\">").skip(1).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with(
        "The picture of one spike at each receptor is left out: it needs the probe nmda.</p>"
    ));
    assert!(warnings[1].starts_with("The probe nmda cannot be shown: nmda.csv"));
    assert!(html.contains("gabab (Trace): Vmem"));
    // A picture of a measurement needs no other probes than its own.
    let set = "probes={ \"raster\": Spikes(of: \"dpi\") }";
    done(path, &["measure", "mismatch", "--out", "out", "--force", "--set", set]);
    fs::write(path.join("out/raster.csv"), "time_s\n").unwrap();
    done(path, &["plot", "out", "nmda.jump"]);
    assert_eq!(refused(path, &["plot", "out", "raster"]).0, 5);
}

/// Columns of what is measured stand below their names, however long the values are.
#[test]
fn measured_tables_are_aligned() {
    let folder = folder(&[]);
    let measured = |args: &[&str]| {
        let args = [&["measure"], args].concat();
        stdout(&done(folder.path(), &args)).to_string()
    };
    for args in [
        &["ff", "--replicas", "3", "--out", "ff"][..],
        &["fi", "--replicas", "3", "--out", "fi"],
        &["adaptation", "--replicas", "3", "--out", "adaptation"],
        &["epsp", "--replicas", "3", "--out", "epsp"],
    ] {
        let text = measured(args);
        let head = text.lines().position(|l| l.contains("5 %") || l.starts_with("receptor"));
        let table: Vec<&str> = text.lines().skip(head.unwrap()).take(4).collect();
        let lengths: Vec<usize> = table.iter().map(|line| line.chars().count()).collect();
        assert!(lengths.iter().all(|length| *length == lengths[0]), "{args:?}\n{text}");
    }
    // Without replicas there is no band.
    assert!(!measured(&["ff", "--out", "one"]).contains("5 %"));
}

/// "5 mA" among picoamperes is pointed out, and what was probably meant.
#[test]
fn a_wrong_prefix_is_pointed_out() {
    let folder = folder_with("ff_mismatch.ron");
    let warned = |set: &str| said(&done(folder.path(), &["check", "scene.ron", "--set", set]));
    let said = warned("populations.dpi.model.soma.Itau=5 mA");
    assert!(said.contains("Itau = 5 mA is more than a million times the model's 1 pA"), "{said}");
    assert!(said.contains("usually between 1 fA and 1 nA: did you mean \"5 pA\"?"), "{said}");
    let said = warned("populations.dpi.model.ampa.C=0.2 aF");
    assert!(said.contains("C = 2e-19 F is less than a millionth of the model's 2 pF"), "{said}");
    // Large, but not absurd; a threshold of any size; nothing at all.
    for fine in ["model.ampa.Iw=900 nA", "model.soma.Ith=12 A", "model.soma.Idc=0 A"] {
        assert_eq!(warned(&format!("populations.dpi.{fine}")), "", "{fine}");
    }
}

/// Numbers in files have no units: one in picoamperes is pointed out, too.
#[test]
fn a_wrong_unit_in_a_file_of_biases_is_pointed_out() {
    let folder = folder_with("ff_mismatch.ron");
    let set = "populations.dpi.biases=File(\"chip.csv\")";
    let warned = |content: &str| {
        fs::write(folder.path().join("chip.csv"), content).unwrap();
        said(&done(folder.path(), &["check", "scene.ron", "--set", set]))
    };
    let said = warned("neuron,ampa.Iw,soma.Itau\n0,200e-12,4.5e-12\n3,210e-12,5\n");
    let expected = "chip.csv, neuron 3: soma.Itau = 5 A is far from the model's 4 pA";
    assert!(said.contains(expected), "{said}");
    assert!(said.contains("numbers in files are in SI units: 4 pA is written 4e-12"), "{said}");
    assert!(!said.contains("ampa.Iw"), "{said}");
    assert_eq!(warned("neuron,soma.Itau,soma.Ith\n0,1e-12,5\n"), "");
}

/// What a `--set` cannot change because it is not there is said, with what to write.
#[test]
fn overrides_of_what_is_not_there_say_what_to_write() {
    let text = "(duration: \"1 ms\", populations: {\"dpi\": (size: 1, model: dynapse1())})";
    let folder = folder(&[("scene.ron", text.as_bytes())]);
    for (set, expected) in [
        ("solver.dt=20 us", "write it whole: --set 'solver=Euler(dt: \"20 us\")'"),
        ("solver.tolerance=1 ns", "--set 'solver=Event(tolerance: \"1 ns\")'"),
        ("chip.chips=2", "--set 'chip=Dynapse1(chips: 2)'"),
        ("populations.dip.size=3", "did you mean `dpi`?"),
        ("populations.other.size=3", "only `dpi` is known here; a new one is added whole"),
    ] {
        let (code, said) = refused(folder.path(), &["check", "scene.ron", "--set", set]);
        let said: Vec<&str> = said.split_whitespace().collect();
        let said = said.join(" ");
        assert_eq!((code, said.contains(expected)), (3, true), "{said}");
    }
    let whole = "solver=Euler(dt: \"20 us\")";
    done(folder.path(), &["check", "scene.ron", "--set", whole]);
}

#[test]
fn a_scene_that_is_not_there_is_looked_for() {
    let folder = folder_with("ff_nominal.ron");
    let path = folder.path();
    fs::create_dir(path.join("scenes")).unwrap();
    fs::copy(path.join("scene.ron"), path.join("scenes/two_neurons.ron")).unwrap();
    for (name, expected) in [
        ("scene", "help: did you mean scene.ron?\n"),
        ("two_neurons", "help: did you mean scenes/two_neurons.ron?\n"),
        ("scenes/two_neuron.ron", "help: did you mean scenes/two_neurons.ron?\n"),
        ("elsewhere", "help: check the path; it is relative to the current folder\n"),
    ] {
        let (code, said) = refused(path, &["run", name]);
        assert_eq!(said, format!("error: there is no scene {name}\n{expected}"));
        assert_eq!(code, 5);
    }
}

/// What a run has written beside its tables is listed, and one is one.
#[test]
fn a_run_lists_what_it_has_dumped() {
    let text = "(duration: \"1 ms\", populations: {\"dpi\": (size: 1, model: dynapse1())},
        sources: {\"in\": (size: 1, train: Regular(rates: \"1 Hz\"))},
        connections: [(from: \"in\", to: \"dpi\", receptor: ampa, rule: OneToOne)])";
    let folder = folder(&[("scene.ron", text.as_bytes())]);
    let said = said(&done(folder.path(), &["run", "scene.ron", "--dump", "biases,edges"]));
    assert!(said.starts_with("scene: 1 neuron, 2 circuits, 1 edge; 0.001 s in "), "{said}");
    for file in ["dpi.biases.csv", "in-_dpi_ampa.edges.csv"] {
        assert!(said.contains(&format!("  runs/scene/{file}\n")), "{said}");
    }
}

/// The folder of a second run that nobody keeps is not named.
#[test]
fn reproduce_names_only_what_is_kept() {
    let folder = folder_with("ff_nominal.ron");
    let path = folder.path();
    run(path, "scene.ron", "out", &[]);
    let again = done(path, &["reproduce", "out"]);
    assert!(stdout(&again).contains("this run   not kept: "), "{}", stdout(&again));
    let kept = done(path, &["reproduce", "out", "--out", "kept"]);
    assert!(stdout(&kept).contains("this run   kept: "), "{}", stdout(&kept));
}
