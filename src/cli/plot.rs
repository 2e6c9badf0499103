//! `picoamp plot`: the pictures of a results folder once more, from its tables.

use std::fs;
use std::path::Path;

use super::args::{PictureFormat, PlotArgs};
use super::messages::say;
use crate::probe::picture::{self, Frame, Picture};
use crate::results::folder::SCENE;
use crate::results::{Results, probe_files};
use crate::scene::diagnostics::suggest;
use crate::scene::sweep::Sweep;
use crate::scene::{Loaded, Scene};
use crate::sweep::pictures::pictures;
use crate::{Error, Plugins, experiment};

pub fn plot(args: &PlotArgs, plugins: &Plugins) -> Result<(), Error> {
    let mut results = Results::open(&args.dir)?;
    let Loaded { scene, sweep, .. } = results.scene(plugins)?;
    if let Some(sweep) = sweep {
        return plot_sweep(args, plugins, &mut results, &scene, &sweep);
    }
    let path = results.path().to_path_buf();
    let refuse =
        |message: String, help: String| Err(Error::Results { path: path.clone(), message, help });
    let probes: Vec<String> = scene.probes.keys().cloned().collect();
    let (mut further, others) = experiment::further(&results, &scene);
    let stem = |file: &str| file.strip_suffix(".svg").unwrap_or(file).to_string();
    let own = further.iter().map(|subject| stem(&subject.file()));
    let known: Vec<String> = probes.iter().cloned().chain(own).collect();
    let is_chosen = |name: &str| args.probe.as_deref().is_none_or(|wanted| wanted == name);
    if !known.iter().any(|name| is_chosen(name)) {
        let Some(name) = &args.probe else {
            return refuse("the scene has no probe".into(), "add one and run it again".into());
        };
        let message = match others.iter().find(|file| stem(file) == *name) {
            Some(file) => format!("`{file}` cannot be drawn again: it is of another program"),
            None => format!("there is no probe or picture `{name}`"),
        };
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        return refuse(message, suggest(name, &known));
    }
    further.retain(|subject| is_chosen(&stem(&subject.file())));
    let for_others: Vec<&str> = further.iter().flat_map(|subject| subject.probes(&scene)).collect();
    let is_needed = |probe: &&String| is_chosen(probe) || for_others.contains(&probe.as_str());
    let needed: Vec<String> = probes.iter().filter(is_needed).cloned().collect();
    let files = probe_files(&scene);
    let name = scene.name.clone();
    let mut simulation = plugins.build(scene)?;
    for probe in &needed {
        if let Err(message) = results.read_back(&mut simulation, probe) {
            return refuse(
                format!("the probe `{probe}` cannot be drawn: {message}"),
                format!("run the scene again: picoamp run {}", path.join(SCENE).display()),
            );
        }
    }
    let mut written = Vec::new();
    let mut draw = |file: &str, about: &str, picture: &dyn Fn(Frame) -> Picture| {
        let title = args.title.clone().unwrap_or_else(|| picture::title(&name, about));
        let frame = Frame { title: &title, size: args.size };
        written.push(put(args, &results, file, picture(frame))?);
        Ok::<(), Error>(())
    };
    for (probe, _, record) in simulation.records() {
        if let Some(files) = files.get(probe).filter(|_| is_chosen(probe)) {
            draw(&files.picture, probe, &|frame| record.picture(frame))?;
        }
    }
    for subject in further {
        let drawing = subject.of(&simulation)?;
        draw(&subject.file(), &subject.about(), &|frame| drawing.picture(frame))?;
    }
    if args.out.is_none() {
        results.add_files(&written)?;
    }
    Ok(())
}

/// The pictures of a sweep.
fn plot_sweep(
    args: &PlotArgs,
    plugins: &Plugins,
    results: &mut Results,
    scene: &Scene,
    sweep: &Sweep,
) -> Result<(), Error> {
    let path = results.path().to_path_buf();
    let refuse =
        |message: String, help: String| Err(Error::Results { path: path.clone(), message, help });
    let mut chosen = pictures(sweep, &sweep.load(plugins, 0)?.scene);
    if let Some(name) = &args.probe {
        let known: Vec<String> = chosen.iter().map(|picture| picture.name.clone()).collect();
        chosen.retain(|picture| picture.name == *name);
        if chosen.is_empty() {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let what = match scene.probes.get(name) {
                Some(probe) => format!("{} is not drawn against what is swept", probe.kind.name()),
                None => "the sweep has no such picture".into(),
            };
            return refuse(format!("`{name}`: {what}"), suggest(name, &known));
        }
    }
    let mut written = Vec::new();
    for picture in chosen {
        let drawing = picture.read(&path, sweep);
        let drawing = match drawing {
            Ok(Some(drawing)) => drawing,
            Ok(None) if args.probe.is_some() => {
                return refuse(
                    format!("`{}` cannot be drawn", picture.name),
                    "it needs two values on its axis, and the same ones at all points".into(),
                );
            }
            Ok(None) => continue,
            Err(message) => {
                return refuse(
                    format!("`{}` cannot be drawn: {message}", picture.name),
                    format!("run the scene again: picoamp run {}", path.join(SCENE).display()),
                );
            }
        };
        let title = picture::title(&scene.name, &picture.name);
        let frame = Frame { title: args.title.as_deref().unwrap_or(&title), size: args.size };
        written.push(put(args, results, &picture.file, drawing.picture(0, frame))?);
    }
    if args.out.is_none() {
        results.add_files(&written)?;
    }
    Ok(())
}

/// Writes a picture that the results have under this name, and says where; its name as it is written.
fn put(args: &PlotArgs, results: &Results, svg: &str, picture: Picture) -> Result<String, Error> {
    let file = file_name(svg, args.format);
    let is_own = args.out.is_none() && results.summary().files.contains(&file);
    let target = args.out.as_deref().unwrap_or(results.path()).join(&file);
    if target.exists() && !is_own && !args.force {
        return Err(Error::Results {
            path: target,
            message: "this file exists already".into(),
            help: "replace it with --force, or choose another folder with --out".into(),
        });
    }
    write(&target, picture, args)?;
    say!("{}", target.display());
    Ok(file)
}

/// The name of a picture, which is SVG in a results folder, in another form.
fn file_name(svg: &str, format: PictureFormat) -> String {
    match format {
        PictureFormat::Svg => svg.to_string(),
        PictureFormat::Png => format!("{}.png", svg.trim_end_matches(".svg")),
    }
}

fn write(target: &Path, picture: Picture, args: &PlotArgs) -> Result<(), Error> {
    let bytes = match args.format {
        PictureFormat::Svg => picture.svg().into_bytes(),
        PictureFormat::Png => {
            let png = picture.png(f32::from(args.scale)).map_err(std::io::Error::other);
            png.map_err(|error| Error::io("draw", target, error))?
        }
    };
    let folder = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(target, bytes))
        .map_err(|error| Error::io("write", target, error))
}
