//! Pictures of sweeps.

use super::*;

/// The pictures can be drawn again, each by its name, in other sizes and as PNG.
#[test]
fn pictures_of_a_sweep_are_drawn_again() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    run(path, "scene.ron", "out", &[]);
    let before = read(path.join("out/rates.svg"));
    assert!(before.contains("rate of a neuron (Hz)") && before.contains("soma.Itau (pA)"));
    assert!(before.contains("train.rates (Hz)") && before.contains("median of 6 values"));
    fs::write(path.join("out/rates.svg"), "").unwrap();
    done(path, &["plot", "out"]);
    assert_eq!(read(path.join("out/rates.svg")), before);
    done(path, &["plot", "out", "trace", "--format", "png", "--title", "Mine"]);
    assert!(fs::read(path.join("out/trace.png")).unwrap().starts_with(b"\x89PNG"));
    let (code, said) = refused(path, &["plot", "out", "rate"]);
    assert!(code == 5 && said.contains("`rate`: the sweep has no such picture"), "{said}");
    assert!(said.contains("did you mean `rates`?"), "{said}");
    let (code, said) = refused(path, &["plot", "out", "spikes"]);
    assert!(code == 5 && said.contains("Spikes is not drawn against what is swept"), "{said}");
    // Where no probe measures a rate, spikes are drawn; of several variables, each.
    let sets = [
        "--set",
        "probes={ \"trace\": Trace(of: \"dpi\", vars: [Vmem, Imem], neurons: [1], every: \"10 ms\") }",
    ];
    let summary = run(path, "scene.ron", "traces", &sets);
    for file in ["trace.Vmem.svg", "trace.Imem.svg", "dpi.spikes.svg"] {
        assert!(summary["files"].as_array().unwrap().contains(&json!(file)), "{file}");
        assert!(path.join("traces").join(file).exists(), "{file}");
    }
}

/// A probe that measures at values of its own is drawn against these, too, but only where they are the same at
/// all points.
#[test]
fn an_ff_curve_is_drawn_against_its_input_rates() {
    let scene = r#"(
        duration: "0.2 s",
        sources: { "input": (size: 3, train: Regular(rates: Linear(from: "50 Hz", to: "150 Hz"))) },
        populations: { "dpi": (size: 3, model: dynapse1()) },
        connections: [(from: "input", to: "dpi", receptor: ampa, rule: OneToOne)],
        probes: { "ff": Ff(input: "input", output: "dpi") },
        sweep: { "populations.dpi.model.ampa.Iw": Log(from: "1 nA", to: "4 nA", n: 3) },
    )"#;
    let folder = folder(&[("scene.ron", scene.as_bytes())]);
    let path = folder.path();
    let summary = run(path, "scene.ron", "out", &[]);
    assert!(summary["files"].as_array().unwrap().contains(&json!("ff.input_hz.svg")));
    let picture = read(path.join("out/ff.input_hz.svg"));
    assert!(picture.contains("input rate (Hz)") && picture.contains("ampa.Iw (nA)"), "{picture}");
    let one = ["--set", "sources.input.size=1", "--set", "populations.dpi.size=1"];
    let one = [&one[..], &["--set", "sources.input.train.rates=50 Hz"]].concat();
    let summary = run(path, "scene.ron", "one", &one);
    assert!(!summary["files"].as_array().unwrap().contains(&json!("ff.input_hz.svg")));
    let (code, said) = refused(path, &["plot", "one", "ff.input_hz"]);
    assert!(code == 5 && said.contains("it needs two values on its axis"), "{said}");
}
