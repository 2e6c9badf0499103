//! `picoamp new`, `plot`, `completions` and `man`.

use super::*;

#[test]
fn a_new_scene_runs_as_it_is() {
    let folder = folder(&[]);
    let path = folder.path();
    done(path, &["new", "mine"]);
    done(path, &["new", "more/of mine.ron"]);
    for scene in ["mine.ron", "more/of mine.ron"] {
        let summary = run(path, scene, scene.trim_end_matches(".ron"), &[]);
        assert!(summary["spikes"]["dpi"].as_u64().unwrap() > 500, "{summary:#}");
        assert_eq!(summary["warnings"], json!([]));
        let text = fs::read_to_string(path.join(scene)).unwrap();
        assert!(text.contains(&format!("picoamp run {scene}")) && !text.contains("NAME"), "{text}");
    }
    let (code, said) = refused(path, &["new", "mine"]);
    assert_eq!(
        (code, said.as_str()),
        (5, "error: mine.ron: this file exists already\nhelp: choose another name\n")
    );
}

#[test]
fn pictures_are_drawn_in_the_form_that_is_asked_for() {
    let folder = folder_with("ff_nominal.ron");
    let path = folder.path();
    run(path, "scene.ron", "out", &[]);
    let before = fs::read(path.join("out/ff.svg")).unwrap();
    done(path, &["plot", "out", "ff", "--format", "png", "--size", "400x300", "--scale", "1"]);
    let png = fs::read(path.join("out/ff.png")).unwrap();
    let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|k| png[at + k]));
    assert_eq!((&png[1..4], word(16), word(20)), (&b"PNG"[..], 400, 300));
    assert_eq!(fs::read(path.join("out/ff.svg")).unwrap(), before);

    done(path, &["plot", "out", "--title", "My <title>", "--size", "400x300", "--out", "figures"]);
    assert_eq!(files(&path.join("figures")), names(["ff.svg", "raster.svg", "vmem.svg"]));
    for picture in ["ff.svg", "raster.svg", "vmem.svg"] {
        let svg = fs::read_to_string(path.join("figures").join(picture)).unwrap();
        assert!(svg.contains("viewBox=\"0 0 400 300\"") && svg.contains("My &lt;title&gt;"));
    }
    // Neither a figure of one's own nor one of another run is lost by accident.
    let (code, said) = refused(path, &["plot", "out", "ff", "--out", "figures"]);
    assert_eq!(code, 5);
    assert_eq!(
        said,
        "error: figures/ff.svg: this file exists already\nhelp: replace it with --force, or choose \
         another folder with --out\n"
    );
    let (code, said) = refused(path, &["plot", "out", "ff", "--out", "ff.png"]);
    assert!(code == 2 && said.contains("name a folder"), "{said}");
    done(path, &["plot", "out", "ff", "--out", "figures", "--force"]);
    assert_eq!(fs::read(path.join("figures/ff.svg")).unwrap(), before);
    fs::write(path.join("out/raster.png"), "mine").unwrap();
    let mine = ["plot", "out", "raster", "--format", "png"];
    assert_eq!(refused(path, &mine).0, 5);
    // The picture that was added belongs to the results: a new run takes it away.
    run(path, "scene.ron", "out", &["--force"]);
    assert!(!path.join("out/ff.png").exists() && path.join("out/raster.png").exists());
    done(path, &[&mine[..], &["--force"]].concat());
    assert!(fs::read(path.join("out/raster.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let folder = folder_with("ff_nominal.ron");
    let path = folder.path();
    run(path, "scene.ron", "out", &[]);
    let (code, said) = refused(path, &["plot", "out", "rastr"]);
    assert_eq!(code, 5);
    assert_eq!(
        said,
        "error: out: there is no probe or picture `rastr`\nhelp: did you mean `raster`? known here are raster, vmem, ff\n"
    );
    // A picture that somebody else has put there.
    let summary = fs::read_to_string(path.join("out/summary.json")).unwrap();
    let mut summary: Value = serde_json::from_str(&summary).unwrap();
    summary["files"].as_array_mut().unwrap().extend([json!("mine.svg"), json!("tau.svg")]);
    fs::write(path.join("out/summary.json"), summary.to_string()).unwrap();
    for name in ["mine", "tau"] {
        let (code, said) = refused(path, &["plot", "out", name]);
        assert_eq!(code, 5);
        assert_eq!(
            said,
            format!(
                "error: out: `{name}.svg` cannot be drawn again: it is of another program\nhelp: known \
                 here are raster, vmem, ff\n"
            )
        );
    }
    // It is in reports all the same; where it is not there, that is said.
    let svg = "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\"/>";
    fs::write(path.join("out/mine.svg"), svg).unwrap();
    done(path, &["report", "out"]);
    let html = fs::read_to_string(path.join("out/report.html")).unwrap();
    assert!(html.contains("<h3>mine.svg</h3><div class=\"drawn\"><svg width=\"9\"/></div>"));
    assert!(html.contains("The picture tau.svg cannot be read: "));
    // A plot of everything leaves it alone.
    done(path, &["plot", "out"]);
    assert_eq!(fs::read_to_string(path.join("out/mine.svg")).unwrap(), svg);
    for size in ["800", "10x10", "800x500x3", "1e3x500", "800x99999"] {
        let (code, said) = refused(path, &["plot", "out", "--size", size]);
        assert_eq!(code, 2, "{size}");
        assert!(said.contains("each from 200 to 10000: 800x500"), "{said}");
    }
    run(path, "scene.ron", "bare", &["--set", "probes={}"]);
    let (code, said) = refused(path, &["plot", "bare"]);
    assert_eq!((code, said.contains("the scene has no probe")), (5, true));
}

#[test]
fn the_program_describes_itself_to_shells_and_readers() {
    let folder = folder(&[]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = done(folder.path(), &["completions", shell]);
        let script = stdout(&output);
        for word in ["converge", "reproduce", "--set", "--threads"] {
            // (Some shells write the dashes apart.)
            assert!(script.contains(word.trim_start_matches('-')), "{shell}: {word}");
        }
    }
    let output = done(folder.path(), &["man"]);
    let page = stdout(&output);
    assert!(page.contains(".TH picoamp 1") && page.contains("picoamp\\-run(1)"), "{page}");
    done(folder.path(), &["man", "--out", "pages"]);
    let pages = files(&folder.path().join("pages"));
    assert!(pages.contains("picoamp.1") && pages.contains("picoamp-compare.1"), "{pages:?}");
}
