//! What is drawn is well-formed, complete and the same each time.

use super::*;

fn dots(d: &Dots) -> String {
    super::dots(d).svg()
}

fn raster(r: &Raster) -> String {
    super::raster(r).svg()
}

fn traces(t: &Traces) -> String {
    super::traces(t).svg()
}

fn steps(s: &Steps) -> String {
    super::steps(s).svg()
}

fn decades(d: &Decades) -> String {
    super::decades(d).svg()
}

/// Every tag is closed in the right order, and no bare `&` is left.
fn check(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some(at) = rest.find('<') {
        assert!(at == 0 || !open.is_empty(), "text outside: {rest:.20}");
        let end = at + rest[at..].find('>').expect("tag has an end");
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with("!--") || tag.ends_with('/') {
            assert_eq!(tag.matches('"').count() % 2, 0);
        } else if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            open.push(tag.split(' ').next().expect("tag has a name"));
        }
    }
    assert!(open.is_empty() && rest.is_empty(), "left over: {open:?} {rest}");
    for part in svg.split('&').skip(1) {
        let entities = ["amp;", "lt;", "gt;", "quot;", "apos;"];
        assert!(entities.iter().any(|e| part.starts_with(e)), "bare &: {part:.20}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "not finite: {svg}");
}

fn dots_in(svg: &str) -> usize {
    svg.matches("h0").count()
}

fn plain<'a>(points: &'a [(f64, f64)]) -> Raster<'a> {
    let (time_s, y_range) = ((0.0, 1.0), (0.0, 10.0));
    Raster {
        frame: "t".into(),
        y_label: "row",
        points,
        time_s,
        y_range,
        note: None,
        whole_rows: false,
    }
}

/// Rows and numbers of values have no ticks between them, in reports neither.
#[test]
fn charts_know_which_axes_count() {
    let is_whole = |whole_rows| {
        let picture = super::raster(&Raster { whole_rows, ..plain(&[(0.5, 1.0)]) });
        picture.chart().unwrap().y.whole
    };
    assert!(is_whole(true) && !is_whole(false));
    let is_whole = |counts| {
        let picture = super::steps(&Steps { counts, ..plain_steps(&[(0.0, 1.0, 2.0)]) });
        picture.chart().unwrap().y.whole
    };
    assert!(is_whole(true) && !is_whole(false));
}

fn curve(label: &str, points: &[(f64, f64)]) -> Curve {
    Curve { label: label.into(), points: points.to_vec() }
}

fn plain_traces<'a>(curves: &'a [Curve]) -> Traces<'a> {
    Traces { frame: "t".into(), y_label: "V", curves, time_s: (0.0, 1.0), threshold: None }
}

#[test]
fn a_dot_per_spike_and_the_same_bytes_each_time() {
    let points: Vec<_> = (0..20_000).map(|i| (i as f64 / 2e4, (i % 11) as f64)).collect();
    let svg = raster(&plain(&points));
    check(&svg);
    assert_eq!(dots_in(&svg), 20_000);
    assert!(svg.len() < 400_000, "{} bytes", svg.len());
    assert_eq!(svg, raster(&plain(&points)));
    assert!(svg.contains("time (s)") && svg.contains(">row<"));
}

/// More curves than can be told apart are not drawn on top of each other, and the picture says so.
#[test]
fn of_many_curves_the_first_are_drawn() {
    let curves: Vec<Curve> =
        (0..40).map(|k| curve(&format!("c{k}"), &[(0.0, k as f64), (1.0, k as f64)])).collect();
    let picture = super::traces(&plain_traces(&curves));
    let chart = picture.chart().unwrap();
    assert_eq!(chart.series.len(), 7);
    assert_eq!(chart.note.as_deref(), Some("the first 7 of 40 curves"));
    assert!(chart.y.range.1 < 7.0);
    let svg = picture.svg();
    check(&svg);
    assert!(svg.contains("the first 7 of 40 curves") && svg.contains(">c6<"));
    assert!(!svg.contains(">c7<"));
    let few = super::traces(&plain_traces(&curves[..16]));
    assert_eq!(few.chart().unwrap().note, None);
    assert_eq!(few.chart().unwrap().series.len(), 16);
}

#[test]
fn what_cannot_be_shown_is_left_out() {
    let nan = f64::NAN;
    let points = [(nan, 1.0), (0.5, f64::INFINITY), (0.5, 5.0), (2.0, 5.0), (0.5, -1.0)];
    let svg = raster(&plain(&points));
    check(&svg);
    assert_eq!(dots_in(&svg), 1);
    let curves = [curve("a", &[(0.0, 1.0), (0.2, nan), (nan, 0.0), (0.4, 2.0), (3.0, 9.0)])];
    let threshold = Some((nan, "no".to_string()));
    let svg = traces(&Traces { threshold, ..plain_traces(&curves) });
    check(&svg);
    let svg = dots(&Dots {
        frame: "t".into(),
        points: &[(nan, 1.0), (1.0, -1.0), (3.0, 4.0)],
        band: &[(0.0, nan, 1.0, 2.0)],
        ..Dots::default()
    });
    check(&svg);
    assert_eq!(dots_in(&svg), 1);
}

#[test]
fn nothing_to_show_still_has_axes() {
    let svg = raster(&plain(&[]));
    check(&svg);
    assert!(svg.contains("no spikes") && svg.contains("time (s)") && svg.contains(">0.5<"));
    let svg = traces(&plain_traces(&[]));
    check(&svg);
    assert!(svg.contains("no values") && svg.contains("time (s)"));
    check(&traces(&plain_traces(&[curve("empty", &[])])));
    let svg = dots(&Dots { y_label: "output rate (Hz)", ..Dots::default() });
    check(&svg);
    assert!(svg.contains("nothing to show") && svg.contains("output rate (Hz)"));
}

#[test]
fn one_point_and_equal_values() {
    for v in [0.0, 1.0, -3.5, 1e-300, 1e300, f64::MAX, f64::MIN] {
        let flat = [curve("flat", &[(0.0, v), (0.5, v), (1.0, v)])];
        check(&traces(&plain_traces(&flat)));
        let svg = traces(&plain_traces(&[curve("one", &[(0.5, v)])]));
        check(&svg);
        check(&dots(&Dots { points: &[(v, v)], band: &[(v, v, v, v)], ..Dots::default() }));
        check(&raster(&Raster { time_s: (v, v), y_range: (v, -v), ..plain(&[(v, v)]) }));
    }
    assert_eq!(dots_in(&traces(&plain_traces(&[curve("one", &[(0.5, 1.0)])]))), 1);
    let wild = Raster { time_s: (f64::NAN, 1.0), y_range: (f64::MIN, f64::MAX), ..plain(&[]) };
    check(&raster(&wild));
    let wide = [curve("wide", &[(0.0, f64::MIN), (1.0, f64::MAX)])];
    check(&traces(&plain_traces(&wide)));
}

#[test]
fn any_text_is_valid_xml() {
    let text = "a<b & \"c\" 'd' $x^2$ \u{1}\n>";
    let note = Some(text.to_string());
    let svg = raster(&Raster { frame: text.into(), y_label: text, note, ..plain(&[]) });
    check(&svg);
    assert!(svg.contains("a&lt;b &amp; &quot;c&quot; &apos;d&apos; $x^2$"), "{svg}");
    assert!(!svg.contains('\u{1}'));
    let curves = [curve(text, &[(0.0, 1.0), (1.0, 2.0)]), curve(&text.repeat(20), &[])];
    let threshold = Some((0.5, text.to_string()));
    check(&traces(&Traces { frame: text.into(), threshold, ..plain_traces(&curves) }));
    check(&dots(&Dots { frame: text.repeat(20).as_str().into(), ..Dots::default() }));
}

#[test]
fn a_long_curve_keeps_its_spikes_and_stays_short() {
    let mut points: Vec<_> = (0..1_000_000).map(|i| (i as f64 / 1e6, 0.0)).collect();
    points[123_457].1 = 1.0;
    let svg = traces(&plain_traces(&[curve("a", &points)]));
    check(&svg);
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    // the spike reaches as high as the end of a slope from 0 to 1 does
    let slope = traces(&plain_traces(&[curve("a", &[(0.0, 0.0), (1.0, 1.0)])]));
    let path = slope.split("<path d=\"").nth(1).and_then(|p| p.split('"').next());
    let top = path.and_then(|p| p.rsplit(' ').next()).expect("a height");
    assert!(svg.contains(&format!(" {top}L")), "{top}");
}

#[test]
fn thin_takes_evenly_spaced_elements() {
    let all: Vec<u32> = (0..1000).collect();
    assert_eq!(thin(&all, 4), [0, 250, 500, 750]);
    assert_eq!(thin(&all, 999).len(), 999);
    assert_eq!(thin(&all, 1000), all);
    assert_eq!(thin(&all, 5000), all);
    assert!(thin(&all, 0).is_empty() && thin::<u32>(&[], 3).is_empty());
}

fn plain_steps<'a>(steps: &'a [(f64, f64, f64)]) -> Steps<'a> {
    Steps {
        frame: "t".into(),
        x_label: "x",
        y_label: "y",
        steps,
        x_range: (0.0, 10.0),
        counts: true,
        note: None,
        nothing: "no values",
    }
}

#[test]
fn steps_stand_on_their_foot() {
    let svg = steps(&plain_steps(&[(0.0, 1.0, 2.0), (1.0, 2.0, 0.0), (2.0, 10.0, 1.0)]));
    check(&svg);
    assert!(!svg.contains("no values"));
    // Up, along, down, along, up, along and down again: eight corners.
    let outline = svg.split("<path d=\"").last().and_then(|p| p.split('"').next()).unwrap();
    assert_eq!(outline.matches(['M', 'L']).count(), 8, "{outline}");
    // Ticks of counts are whole.
    assert!(svg.contains(">1<") && svg.contains(">2<") && !svg.contains(">0.5<"));
    for nothing in [&[][..], &[(0.0, 1.0, 0.0)], &[(0.0, f64::NAN, 1.0), (5.0, 11.0, -1.0)]] {
        let svg = steps(&plain_steps(nothing));
        check(&svg);
        assert!(svg.contains("no values"));
    }
    check(&steps(&Steps { x_range: (f64::NAN, 3.0), ..plain_steps(&[(0.0, 1.0, f64::MAX)]) }));
}

#[test]
fn many_steps_stay_short_and_keep_their_peaks() {
    let mut heights: Vec<_> =
        (0..1_000_000).map(|k| (f64::from(k) / 1e5, f64::from(k + 1) / 1e5, 1.0)).collect();
    heights[123_456].2 = 500.0;
    let svg = steps(&plain_steps(&heights));
    check(&svg);
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    assert!(svg.contains(">500<"));
}

#[test]
fn neighbours_share_a_bar_where_there_are_too_many() {
    assert_eq!(bars(&[3, 0, 1]), (vec![3, 0, 1], 1));
    assert_eq!(bars(&[]), (vec![], 1));
    let (shown, each) = bars(&[1; 1001]);
    assert_eq!((shown.len(), each, shown[0], shown[333]), (334, 3, 3, 2));
}

#[test]
fn a_level_is_named() {
    let d = Dots { points: &[(1.0, 0.2)], level: Some((1.0, "one")), ..Dots::default() };
    let svg = dots(&d);
    check(&svg);
    assert!(svg.contains(">one<") && svg.contains(">1.0<"));
    check(&dots(&Dots { level: Some((1.0, "one")), ..Dots::default() }));
}

#[test]
fn numbers_of_notes() {
    let shown = [0.0, 12.345, 123_456.0, 0.000_123_45, 1.0].map(three_digits);
    assert_eq!(shown, [0.0, 12.3, 123_000.0, 0.000_123, 1.0]);
    assert_eq!([0, 1, 2].map(|n| counted(n, "spike")), ["0 spikes", "1 spike", "2 spikes"]);
}

#[test]
fn logarithmic_axes_show_what_is_positive() {
    let curves = [curve("a", &[(1e-5, 1e-3), (1e-4, 0.0), (1e-3, 20.0), (f64::NAN, 1.0)])];
    let (frame, x_label, y_label, nothing) = (Frame::from("t"), "dt (s)", "error", "none");
    let plain = Decades { frame, x_label, y_label, curves: &curves, level: None, nothing };
    let svg = decades(&plain);
    check(&svg);
    assert_eq!(dots_in(&svg), 2);
    for tick in [">1e-5<", ">1e-3<", ">0.1<", ">100<"] {
        assert!(svg.contains(tick), "{tick}");
    }
    // A level has room below it.
    let svg = decades(&Decades { level: Some((1e-6, "finest")), ..plain });
    check(&svg);
    assert!(svg.contains(">1e-7<") && svg.contains("finest"));
    let curves = [curve("a", &[(1e-3, 0.0)])];
    let svg = decades(&Decades { frame, x_label, y_label, curves: &curves, level: None, nothing });
    check(&svg);
    assert!(svg.contains(">none<") && dots_in(&svg) == 0);
}

/// Width and height as asked for, in both forms; a PNG of twice the dots.
#[test]
fn pictures_have_the_size_that_was_asked_for() {
    let frame = Frame { title: "t", size: (600.0, 300.0) };
    let points = [(1.0, 2.0), (3.0, 4.0)];
    let picture = || super::dots(&Dots { frame, points: &points, ..Dots::default() });
    let svg = picture().svg();
    check(&svg);
    assert!(svg.starts_with("<svg viewBox=\"0 0 600 300\" "), "{svg:.80}");
    let png = picture().png(2.0).expect("a small picture");
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|k| png[at + k]));
    assert_eq!((word(16), word(20)), (1200, 600));
    assert_eq!(png, picture().png(2.0).expect("a small picture"));
    assert!(Picture::from_svg("<svg/>".into()).png(1.0).is_err());
}

#[test]
fn evenly_spaced_points_are_as_many_as_a_picture_shows() {
    for count in [0, 1, MOST_DOTS, 2 * MOST_DOTS - 1, 2 * MOST_DOTS, 5 * MOST_DOTS, 1_000_000] {
        let mut evenly = Evenly::default();
        (0..count).for_each(|k| evenly.push(k));
        let shown = evenly.shown();
        // Many at a time, some of them far fewer than lie between those that are kept.
        let mut together = Evenly::default();
        let all: Vec<usize> = (0..count).collect();
        all.chunk_by(|k, _| k % 10_007 > 3).for_each(|some| together.extend(some));
        assert_eq!((together.count(), together.shown()), (count as u64, shown.clone()));
        assert_eq!((evenly.count(), shown.len()), (count as u64, count.min(MOST_DOTS)));
        let gaps: Vec<usize> = shown.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (least, most) = (gaps.iter().min(), gaps.iter().max());
        assert!(most.zip(least).is_none_or(|(most, least)| *most <= 2 * least), "{count}");
        assert!(
            count == 0
                || shown[0] == 0 && count - shown[shown.len() - 1] <= 2 * count / MOST_DOTS + 1
        );
    }
}

fn parameter(values: &[f64], log: bool, names: &[&str]) -> Parameter {
    let names = names.iter().map(ToString::to_string).collect();
    Parameter { label: "soma.Itau (pA)".into(), values: values.to_vec(), log, names }
}

fn rows_of<'a>(parameter: &'a Parameter, rows: &'a [(f64, f64, f64, f64)]) -> Response<'a> {
    let (frame, y_label) = ("t".into(), "rate (Hz)");
    Response {
        frame,
        parameter,
        y_label,
        rows,
        single: false,
        note: "a note",
        nothing: "no values",
    }
}

#[test]
fn a_response_shows_band_and_median() {
    let rows = [(1.0, 2.0, 3.0, 5.0), (10.0, 4.0, 6.0, 7.0), (100.0, 8.0, 9.0, 9.5)];
    for (values, log, names) in [
        (&[1.0, 10.0, 100.0][..], true, &[][..]),
        (&[1.0, 10.0, 100.0], false, &[]),
        (&[0.0, 1.0, 2.0], false, &["Event", "<Euler>", "$a$"]),
    ] {
        let parameter = parameter(values, log, names);
        let rows: Vec<_> =
            values.iter().zip(&rows).map(|(x, row)| (*x, row.1, row.2, row.3)).collect();
        let picture = response(&rows_of(&parameter, &rows));
        let chart = picture.chart().unwrap().clone();
        let svg = picture.svg();
        check(&svg);
        assert_eq!(dots_in(&svg), 3);
        for text in ["soma.Itau (pA)", "rate (Hz)", "a note", "median", "5 % to 95 %"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(chart.x.log, log);
        let band = &chart.series[0];
        assert_eq!((&band.y[..], &band.to[..]), (&[2.0, 4.0, 8.0][..], &[5.0, 7.0, 9.5][..]));
        assert_eq!(chart.series[1].y, [3.0, 6.0, 9.0]);
        assert_eq!(band.kind, if names.is_empty() { "band" } else { "ranges" });
        names.iter().for_each(|name| assert!(chart.x.names.contains(&name.to_string())));
        assert!(names.is_empty() || svg.contains("&lt;Euler&gt;"), "{svg}");
    }
    // Of single values there is no band; of none there is a text.
    let parameter = parameter(&[1.0, 2.0, 3.0], false, &[]);
    let single = [(1.0, 2.0, 2.0, 2.0), (3.0, f64::NAN, f64::NAN, f64::NAN)];
    let svg = response(&Response { single: true, ..rows_of(&parameter, &single) }).svg();
    check(&svg);
    assert!(dots_in(&svg) >= 1 && !svg.contains("median"));
    let svg = response(&rows_of(&parameter, &[])).svg();
    check(&svg);
    assert!(svg.contains("no values"));
}

#[test]
fn a_heat_map_has_a_cell_for_each_value() {
    let (x, y) =
        (parameter(&[1.0, 10.0], true, &[]), parameter(&[0.0, 1.0, 2.0], false, &["a", "b", "c"]));
    let cell = |value: f64| Some((value - 1.0, value, value + 1.0));
    let cells = [cell(1.0), cell(2.0), None, Some((0.0, f64::NAN, 0.0)), cell(5.0), cell(6.0)];
    let map = HeatMap {
        frame: "t".into(),
        x: &x,
        y: &y,
        label: "rate (Hz)",
        cells: &cells,
        also: (0.5, 8.0),
        note: "",
        nothing: "no values",
    };
    let picture = heat_map(&map);
    let chart = picture.chart().unwrap().map.clone().unwrap();
    assert_eq!(chart.median, [Some(1.0), Some(2.0), None, None, Some(5.0), Some(6.0)]);
    assert_eq!(chart.low[0], Some(0.0));
    // The scale begins at 0, as 0.5 is much less than 8.
    assert_eq!(chart.range, (0.0, 8.0));
    let svg = picture.svg();
    check(&svg);
    let empty = heat_map(&HeatMap { cells: &[None; 6], ..map }).svg();
    check(&empty);
    // Four cells more than none; the scale of colours is the same.
    assert_eq!(svg.matches("<rect").count(), empty.matches("<rect").count() + 4);
    assert!(empty.contains("no values"));
    for text in [">a<", ">b<", ">c<", "rate (Hz)", ">8<"] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
}
