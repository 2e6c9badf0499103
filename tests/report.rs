//! Reports: what is in the file, and that it works in a real browser (headless Chromium; where there
//! is none, those tests say so and do nothing more).

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Runs the program in a folder.
fn picoamp(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = assert_cmd::cargo::cargo_bin_cmd!("picoamp")
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), said)
}

/// A folder with the results of a scene in `out`, and their report.
fn reported(scene: &str, more: &[&str]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = common::file("scenes").join(scene);
    let args = ["run", path.to_str().unwrap(), "--out", "out", "--quiet"];
    let (code, said) = picoamp(folder.path(), &[&args[..], more].concat());
    assert_eq!(code, 0, "{scene}: {said}");
    let (code, said) = picoamp(folder.path(), &["report", "out"]);
    assert_eq!(code, 0, "{scene}: {said}");
    let html = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    (folder, html)
}

/// The data of the charts.
fn charts(html: &str) -> Vec<Value> {
    let data = html.split("type=\"application/json\">").nth(1).unwrap();
    let data = data.split("</script>").next().unwrap().replace("<\\/", "</");
    serde_json::from_str(&data).unwrap()
}

#[test]
fn a_report_has_all_its_parts_and_needs_no_other_file() {
    let (folder, html) = reported("ff_mismatch.ron", &[]);
    for part in [
        "<h1>ff_mismatch</h1>",
        "Question: how far apart are the FF curves",
        "is long for",
        "5634",
        "<h2>Records</h2>",
        "<h2>Network</h2>",
        "input-&gt;dpi:ampa",
        "<h2>Mismatch</h2>",
        "10 %",
        // Itau of the soma, 4 pA: τ as published, and its gate voltage (25 mV/0.705)·ln(80).
        "τ = 26.6 ms",
        "155 mV",
        "<h2>Provenance</h2>",
        "populations: {",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
    for outside in ["src=", "<link", "http://", "https://", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    let charts = charts(&html);
    let titles: Vec<&str> = charts.iter().map(|c| c["title"].as_str().unwrap()).collect();
    let traces = ["vmem (Trace): Vmem", "vmem (Trace): Imem", "vmem (Trace): Iampa"];
    assert_eq!(titles, [&["raster (Spikes)"], &traces[..], &["ff (Ff)"]].concat());
    // Every dot of the curve, as the table has it.
    let table = common_table(&folder.path().join("out/ff.csv"));
    let dots = &charts[4]["series"][0];
    for (k, row) in table.iter().enumerate() {
        assert_eq!(dots["x"][k].as_f64(), Some(row[1]), "{row:?}");
        assert_eq!(dots["y"][k].as_f64(), Some(row[2]), "{row:?}");
    }
    // Both axes of the membrane: I0 of `arcana`, UT/κ.
    assert_eq!(charts[1]["right"]["label"], "Imem");
    assert_eq!(charts[1]["right"]["reference"], 5e-14);
    assert!((charts[1]["right"]["scale"].as_f64().unwrap() - 0.025 / 0.705).abs() < 1e-9);
    assert_eq!(charts[1]["levels"][0][1], "threshold");
    // It belongs to the results: it may be made again, and a new run takes it away.
    assert_eq!(picoamp(folder.path(), &["report", "out"]).0, 0);
    assert_eq!(picoamp(folder.path(), &["run", "out/scene.ron", "--out", "out", "--force"]).0, 0);
    assert!(!folder.path().join("out/report.html").exists());
    fs::write(folder.path().join("out/report.html"), "mine").unwrap();
    let (code, said) = picoamp(folder.path(), &["report", "out"]);
    assert!(code == 5 && said.contains("this file exists already"), "{said}");
}

fn common_table(path: &Path) -> Vec<Vec<f64>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let numbers = |r: csv::StringRecord| r.iter().map(|cell| cell.parse().unwrap()).collect();
    reader.records().map(|record| numbers(record.unwrap())).collect()
}

/// More spikes than are shown: the chart says how many of how many.
#[test]
fn a_thinned_raster_says_so() {
    let sets = ["--set", "duration=3 s", "--set", "solver=Event"];
    let (_folder, html) = reported("ff_nominal.ron", &sets);
    let charts = charts(&html);
    let raster = charts.iter().find(|c| c["title"] == "raster (Spikes)").unwrap();
    let shown = raster["series"][0]["x"].as_array().unwrap().len();
    assert_eq!(shown, 25_000);
    let note = raster["note"].as_str().unwrap();
    assert!(note.starts_with("showing 25000 of ") && html.contains(note), "{note}");
}

#[test]
fn what_is_no_result_has_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = picoamp(folder.path(), &["report", "."]);
    assert!(code == 5 && said.contains("this is no results folder"), "{said}");
}

/// Names and texts are text, whatever they hold.
#[test]
fn a_name_is_no_markup() {
    let folder = tempfile::tempdir().unwrap();
    let scene = r#"// </script><b>bold</b> & "quoted"
        (name: "<i>&", duration: "10 ms", populations: { "</script>": (size: 2, model: lif()) },
         probes: { "<p>": Trace(of: "</script>", vars: [v], neurons: [1], every: "1 ms") })"#;
    fs::write(folder.path().join("scene.ron"), scene).unwrap();
    assert_eq!(picoamp(folder.path(), &["run", "scene.ron", "--out", "out"]).0, 0);
    assert_eq!(picoamp(folder.path(), &["report", "out"]).0, 0);
    let html = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(html.contains("&lt;/script&gt;&lt;b&gt;bold&lt;/b&gt; &amp; &quot;quoted&quot;"));
    assert!(!html.contains("<b>bold") && !html.contains("<i>&"));
    assert_eq!(html.matches("</script>").count(), 2);
    assert_eq!(charts(&html)[0]["title"], "<p> (Trace): v");
}

/// A browser, if there is one.
fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders = std::env::var_os("PATH")?;
    let paths = std::env::split_paths(&folders).flat_map(|f| names.map(|name| f.join(name)));
    paths.into_iter().find(|path| path.is_file())
}

/// Opens a page and gives back its title, and what its console said.
fn open(browser: &Path, page: &Path) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"])
        .args(["--window-size=1100,900", "--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    let said = String::from_utf8_lossy(&output.stderr);
    let console = said.lines().filter(|line| line.contains("CONSOLE"));
    (title.unwrap_or_default().to_string(), console.map(String::from).collect())
}

/// Moves the mouse over the middle point of each chart, then drags a box over it; the answer is in the
/// title: pixels that are drawn, the text beside the mouse, and whether `show all` came up.
const PROBE: &str = r#"<script>
addEventListener("DOMContentLoaded", () => setTimeout(() => {
  const data = JSON.parse(document.getElementById("charts").textContent);
  const found = [...document.querySelectorAll("[data-chart]")].map((box) => {
    const canvas = box.querySelector("canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let drawn = 0;
    for (let k = 3; k < pixels.length; k += 4) drawn += pixels[k] > 0;
    const at = canvas.getBoundingClientRect();
    const mouse = (kind, x, y) => canvas.dispatchEvent(
      new MouseEvent(kind, { clientX: at.left + x * at.width, clientY: at.top + y * at.height }));
    let tip = "";
    for (let k = 0; k < 400 && !tip; k++) {
      mouse("mousemove", 0.1 + 0.8 * (k % 20) / 20, 0.9 - 0.85 * Math.floor(k / 20) / 20);
      const shown = box.querySelector(".tip");
      if (shown.style.display === "block") tip = shown.textContent;
    }
    mouse("mousedown", 0.3, 0.3);
    mouse("mouseup", 0.6, 0.7);
    const zoomed = !box.querySelector("button").hidden;
    box.querySelector("button").click();
    return { drawn, tip, zoomed, back: box.querySelector("button").hidden, overflow: box.scrollWidth > box.clientWidth };
  });
  document.title = JSON.stringify({ found, wide: document.documentElement.scrollWidth > innerWidth, data: data.length });
}, 100));
</script></head>"#;

/// Opens a report and moves the mouse over every chart.
fn works(browser: &Path, what: &str, folder: &Path, html: &str) {
    let page = folder.join("page.html");
    fs::write(&page, html.replacen("</head>", PROBE, 1)).unwrap();
    let (title, console) = open(browser, &page);
    assert!(console.is_empty(), "{what}: {console:?}");
    let title = title.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let answer: Value =
        serde_json::from_str(&title).unwrap_or_else(|e| panic!("{what}: {e}: {title}"));
    assert_eq!(answer["wide"], false, "{what}: the page is wider than the window");
    let charts = charts(html);
    let found = answer["found"].as_array().unwrap();
    assert_eq!((found.len(), answer["data"].as_u64()), (charts.len(), Some(charts.len() as u64)));
    assert!(!charts.is_empty() || what == "adm.ron", "{what}");
    for (chart, found) in charts.iter().zip(found) {
        let what = format!("{what}, {}: {found}", chart["title"]);
        assert!(found["drawn"].as_u64().unwrap() > 2000, "{what}");
        let tip = found["tip"].as_str().unwrap();
        for axis in ["x", "y"] {
            let label = format!("{}: ", chart[axis]["label"].as_str().unwrap());
            assert!(tip.contains(&label), "{what}: {tip}");
        }
        if let Some(label) = chart["map"]["label"].as_str() {
            assert!(tip.contains(&format!("{label}: ")), "{what}: {tip}");
        }
        assert!(found["zoomed"] == true && found["back"] == true, "{what}");
        assert_eq!(found["overflow"], false, "{what}");
    }
}

#[test]
fn every_scenes_report_works_in_a_browser() {
    let Some(browser) = chromium() else {
        println!("skipped: there is no Chromium to open reports in");
        return;
    };
    for entry in fs::read_dir(common::file("scenes")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ron") {
            let scene = path.file_name().unwrap().to_str().unwrap();
            let (folder, html) = reported(scene, &[]);
            works(&browser, scene, folder.path(), &html);
        }
    }
}

/// The rows of a table of a sweep: the number of the point and a column.
fn column(path: &Path, name: &str) -> Vec<(usize, f64)> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let place = reader.headers().unwrap().iter().position(|column| column == name).unwrap();
    let cells = |row: csv::StringRecord| (row[0].parse().unwrap(), row[place].parse().unwrap());
    reader.records().map(|row| cells(row.unwrap())).collect()
}

/// Two paths: a heat map of each probe, whose cells are the medians of the table.
#[test]
fn a_sweep_over_two_paths_is_a_heat_map() {
    let (folder, html) = reported("rheobase.ron", &[]);
    for part in
        ["54 of 54 (grid of 6 × 9)", "models.bare.soma.Idc", "2 pA, 4 pA, 8 pA", "<h2>Points"]
    {
        assert!(html.contains(part), "{part}");
    }
    assert!(html.len() < 5_000_000);
    let charts = charts(&html);
    let titles: Vec<&str> = charts.iter().map(|c| c["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["nominal (Rates)", "drawn (Rates)"]);
    for (chart, table) in charts.iter().zip(["nominal.csv", "drawn.csv"]) {
        let values = column(&folder.path().join("out").join(table), "rate_hz");
        let map = &chart["map"];
        assert_eq!(
            (map["x"].as_array().unwrap().len(), map["y"].as_array().unwrap().len()),
            (6, 9)
        );
        assert_eq!(map["x"][0], 2.0);
        assert!(chart["x"]["log"] == true && chart["y"]["log"] == true);
        assert_eq!(
            (&chart["x"]["label"], &chart["y"]["label"]),
            (&"soma.Itau (pA)".into(), &"soma.Idc (nA)".into())
        );
        for point in 0..54 {
            let mut own: Vec<f64> =
                values.iter().filter(|(k, _)| *k == point).map(|(_, value)| *value).collect();
            own.sort_by(f64::total_cmp);
            let middle = own.len() / 2;
            let median = if own.len() % 2 == 1 {
                own[middle]
            } else {
                0.5 * (own[middle - 1] + own[middle])
            };
            // The last path changes fastest, and is on the y axis.
            let cell = map["median"][(point % 9) * 6 + point / 9].as_f64().unwrap();
            assert!(
                (cell - median).abs() <= 1e-4 * median,
                "{table}, point {point}: {cell}, {median}"
            );
        }
    }
    assert_eq!(charts[0]["map"]["low"].as_array().unwrap().len(), 0);
    assert_eq!(charts[1]["map"]["low"].as_array().unwrap().len(), 54);
}

/// One path, paths together, values that are no numbers, three paths: all work in a browser.
#[test]
fn reports_of_sweeps_work_in_a_browser() {
    let Some(browser) = chromium() else {
        println!("skipped: there is no Chromium to open reports in");
        return;
    };
    let iw = "populations.dpi.model.ampa.Iw";
    let cases: [(&str, &str, String, &[&str]); 4] = [
        (
            "one path",
            "ff_mismatch.ron",
            format!("{{ \"{iw}\": Log(from: \"50 pA\", to: \"1 nA\", n: 4) }}"),
            &["vmem.Vmem", "vmem.Imem", "vmem.Iampa", "ff (Ff)", "ff.input_hz"],
        ),
        (
            "paths together",
            "ff_nominal.ron",
            format!(
                "Zip(axes: {{ \"{iw}\": List([\"50 pA\", \"100 pA\"]), \"duration\": List([\"1 s\", \"2 s\"]) }})"
            ),
            &["vmem.Vmem", "vmem.Imem", "vmem.Iampa", "ff (Ff)", "ff.input_hz"],
        ),
        (
            "names",
            "ff_nominal.ron",
            "{ \"solver\": List([Event, Euler(dt: \"1 ms\")]) }".into(),
            &["vmem.Vmem", "vmem.Imem", "vmem.Iampa", "ff (Ff)", "ff.input_hz"],
        ),
        (
            "three paths",
            "rheobase.ron",
            "{ \"models.bare.soma.Itau\": List([\"2 pA\", \"8 pA\"]), \"models.bare.soma.Idc\": \
             List([\"0.1 nA\", \"1 nA\", \"3 nA\"]), \"models.bare.soma.Ith\": List([\"1 nA\", \"2 nA\"]) }"
                .into(),
            &["nominal (Rates)", "nominal (Rates)", "drawn (Rates)", "drawn (Rates)"],
        ),
    ];
    for (what, scene, sweep, titles) in cases {
        let set = format!("sweep={sweep}");
        let (folder, html) = reported(scene, &["--set", &set]);
        let charts = charts(&html);
        let found: Vec<&str> = charts.iter().map(|c| c["title"].as_str().unwrap()).collect();
        assert_eq!(found, titles, "{what}");
        works(&browser, what, folder.path(), &html);
        match what {
            "paths together" => {
                assert_eq!(charts[0]["x"]["label"], "ampa.Iw (pA), with duration");
            }
            "names" => {
                assert_eq!(
                    charts[0]["x"]["names"],
                    serde_json::json!(["Event", "Euler(dt: \"1 ms\")"])
                );
            }
            "three paths" => {
                let note = charts[1]["note"].as_str().unwrap();
                assert!(
                    note.starts_with("at models.bare.soma.Ith = 2 nA (picture 2 of 2)"),
                    "{note}"
                );
                assert_eq!(charts[0]["map"]["range"], charts[1]["map"]["range"]);
            }
            _ => assert_eq!(charts[3]["series"][0]["kind"], "band"),
        }
    }
}

/// An error in a page would be noticed.
#[test]
fn an_error_on_the_console_is_noticed() {
    let Some(browser) = chromium() else {
        println!("skipped: there is no Chromium to open reports in");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    fs::write(&page, "<title>t</title><script>nothing.there();</script>").unwrap();
    let (title, console) = open(&browser, &page);
    assert_eq!(title, "t");
    assert!(console.iter().any(|line| line.contains("nothing is not defined")), "{console:?}");
}
