//! Text that is no scene.

use super::*;

#[test]
fn wrong_forms() {
    insta::assert_snapshot!(table(&[
        ("a list for a map", &[("sources: {", "sources: [], x: {")]),
        ("a map for a list", &[("connections: [", "connections: {}, x: [")]),
        ("a text for a group", &[("soma: (", "soma: \"fast\", x: (")]),
        ("items for fields", &[("soma: (", "soma: (1, 2), x: (")]),
        ("parentheses behind a unit", &[("OneToOne", "OneToOne(1)")]),
        ("a number for a name", &[("of: \"input\"", "of: 3")]),
        ("a number for a rule", &[("OneToOne", "1")]),
        ("no file name", &[("Regular(rates: \"50 Hz\")", "File()")]),
        ("a number for true or false", &[("OneToOne", "AllToAll(self_connections: 0)")]),
        ("a number as a key", &[("\"raster\":", "1:")]),
        ("a character", &[("\"raster\":", "'r':")]),
    ]), @r#"
    a list for a map
      bad.ron:4:14 «[], x: {»
        sources: expected a map, found a list [ ]
        help: write it like { "name": … }
      bad.ron:4:18 «x: {»
        x: there is no field `x` here
        help: known here are format, name, seed, replicas, duration, window, solver, models, sources, populations, connections, probes, chip, sweep
    a map for a list
      bad.ron:17:18 «{}, x: [»
        connections: expected a list, found a map { }
        help: write it like [ … ]
      bad.ron:17:22 «x: [»
        x: there is no field `x` here
        help: known here are format, name, seed, replicas, duration, window, solver, models, sources, populations, connections, probes, chip, sweep
    a text for a group
      bad.ron:11:23 «"fast", x: (Itau: "4 pA"»
        populations.dpi.model.soma: expected a group of fields, found the text "fast"
        help: write it like ( key: value, … )
      bad.ron:11:31 «x: (Itau: "4 pA", Igain:»
        populations.dpi.model.x: there is no field `x` here
        help: known here are I0, UT, kappa, feedback, refractory, pulse, soma, ampa, gabab
    items for fields
      bad.ron:11:23 «(1, 2), x: (Itau: "4 pA"»
        populations.dpi.model.soma: expected named fields
        help: write (key: value, …); `picoamp reference` has the keys
      bad.ron:11:31 «x: (Itau: "4 pA", Igain:»
        populations.dpi.model.x: there is no field `x` here
        help: known here are I0, UT, kappa, feedback, refractory, pulse, soma, ampa, gabab
    parentheses behind a unit
      bad.ron:18:58 «OneToOne(1), weight: 2, »
        connections.0.rule: `OneToOne` takes nothing in parentheses
        help: write only OneToOne
    a number for a name
      bad.ron:21:30 «3),»
        probes.raster.of: expected a text, found the number 3
        help: write it like "text"
    a number for a rule
      bad.ron:18:58 «1, weight: 2, delay: "1 »
        connections.0.rule: expected a connection rule, found the number 1
        help: one of OneToOne, AllToAll, FixedProbability, FixedInDegree, FixedOutDegree, FixedTotal, List, File
    no file name
      bad.ron:5:35 «File()),»
        sources.input.train: `File` takes one value
        help: write it like File("spikes.csv")
    a number for true or false
      bad.ron:18:85 «0), weight: 2, delay: "1»
        connections.0.rule.self_connections: expected true or false, found the number 0
        help: write it like true
    a number as a key
      bad.ron:21:9 «1: Spikes(of: "input"),»
        the keys of a map are names
        help: write them in quotes: { "name": … }
    a character
      bad.ron:21:9 «'r': Spikes(of: "input")»
        a scene has no use for this kind of value
        help: use numbers, strings, lists [ ], maps { } and groups ( )
    "#);
}

#[test]
fn invalid_ron() {
    let text = |edits: &[(&str, &str)]| edited(edits);
    insta::assert_snapshot!(table_of_texts(&[
        ("a missing comma", text(&[("\"1 s\",", "\"1 s\"")])),
        ("a missing comma after a number", text(&[("weight: 2, delay", "weight: 2 delay")])),
        ("an unclosed bracket", text(&[("[Vmem]", "[Vmem")])),
        ("an unclosed string", text(&[("\"raster\"", "\"raster")])),
        ("a bare quantity", text(&[("\"4 pA\"", "4 pA")])),
        ("an equals sign", text(&[("duration:", "duration =")])),
        ("more after the end", format!("{SCENE})")),
        ("nothing", String::new()),
        ("only a comment", "// later\n".to_string()),
        ("only comments", "// later,\n/* and\n   much /* much */ later */\n".to_string()),
        ("an unclosed comment", "/* later".to_string()),
        ("something else", "[1, 2]".to_string()),
        ("a named scene", SCENE.replacen('(', "Scene(", 1)),
        // Must not overflow the stack.
        ("very deep", "[".repeat(100_000)),
    ]), @r#"
    a missing comma
      bad.ron:3:5 «solver: Euler(dt: "1 ms"»
        this is not valid RON: Expected comma
        help: look for a missing comma, quote or bracket here or just before
    a missing comma after a number
      bad.ron:18:78 «delay: "1 ms"),»
        this is not valid RON: Expected comma
        help: look for a missing comma, quote or bracket here or just before
    an unclosed bracket
      bad.ron:22:54 «: [0, 3], every: "1 ms")»
        this is not valid RON: Expected comma
        help: look for a missing comma, quote or bracket here or just before
    an unclosed string
      bad.ron:21:30 «input"),»
        this is not valid RON: Expected colon
        help: look for a missing comma, quote or bracket here or just before
    a bare quantity
      bad.ron:11:32 «pA, Igain: "80 pA", Ith:»
        this is not valid RON: Expected comma
        help: a quantity is a string: write "4 pA"
    an equals sign
      bad.ron:2:14 «= "1 s",»
        this is not valid RON: Expected comma
        help: look for a missing comma, quote or bracket here or just before
    more after the end
      bad.ron:25:2 «»
        this is not valid RON: Non-whitespace trailing characters
        help: look for a missing comma, quote or bracket here or just before
    nothing
      bad.ron:1:1 «»
        there is no scene here yet
        help: `picoamp new` writes one to start from
    only a comment
      bad.ron:1:9 «»
        there is no scene here yet
        help: `picoamp new` writes one to start from
    only comments
      bad.ron:3:28 «»
        there is no scene here yet
        help: `picoamp new` writes one to start from
    an unclosed comment
      bad.ron:1:3 « later»
        this is not valid RON: Unclosed block comment
        help: look for a missing comma, quote or bracket here or just before
    something else
      bad.ron:1:1 «[1, 2]»
        expected a group of fields, found a list [ ]
        help: write it like ( key: value, … )
    a named scene
      bad.ron:1:1 «Scene(»
        expected a group of fields, found `Scene`
        help: write it like ( key: value, … )
    very deep
      bad.ron:1:65 «[[[[[[[[[[[[[[[[[[[[[[[[»
        this is nested too deeply
        help: look for a missing comma, quote or bracket here or just before
    "#);
}
