//! Circles of files inside one room: files that cannot be read one after the other. A part that knows
//! its whole (`a/b.rs` that uses `a.rs`) is none.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Use, paths};
use super::rules::{SourceFile, TestFiles, module};
use super::tokens::{tokens, without_tests};

/// Re-exports are followed this far.
const MAX_HOPS: usize = 8;

struct Node {
    path: String,
    uses: Vec<Use>,
}

/// The circles, each as the paths of its files.
pub fn circles(files: &[SourceFile]) -> Vec<Vec<String>> {
    let for_tests = TestFiles::of(files);
    let mut modules = BTreeMap::new();
    for file in files.iter().filter(|file| !for_tests.holds(&file.path)) {
        let module = module(&file.path);
        let tokens = without_tests(&tokens(&file.text));
        let node = Node {
            uses: paths(&tokens, &module),
            path: file.path.clone(),
        };
        modules.insert(module, node);
    }
    let mut arrows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, node) in &modules {
        let room = &module[0];
        let used = node.uses.iter().filter(|used| !used.is_passed_on);
        let inside = used.filter(|used| used.path.first() == Some(room));
        let targets = inside.filter_map(|used| defined_in(&modules, &used.path, 0));
        let others = targets.filter(|(target, _)| !module.starts_with(target));
        arrows.insert(
            &node.path,
            others.map(|(_, node)| node.path.as_str()).collect(),
        );
    }
    strongly_connected(&arrows)
}

/// The module and file that define what this path names; imports in between are followed.
fn defined_in<'a>(
    modules: &'a BTreeMap<Vec<String>, Node>,
    path: &[String],
    hops: usize,
) -> Option<(&'a [String], &'a Node)> {
    let mut lengths = (1..=path.len()).rev();
    let (module, node) = lengths.find_map(|length| modules.get_key_value(&path[..length]))?;
    let Some(name) = path.get(module.len()).filter(|_| hops < MAX_HOPS) else {
        return Some((module.as_slice(), node));
    };
    let imported = node
        .uses
        .iter()
        .find(|used| used.name.as_ref() == Some(name));
    match imported {
        Some(import) => {
            let full = [&import.path[..], &path[module.len() + 1..]].concat();
            defined_in(modules, &full, hops + 1)
        }
        None => Some((module.as_slice(), node)),
    }
}

fn strongly_connected(arrows: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Vec<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = arrows
        .keys()
        .map(|from| (*from, reachable(arrows, from)))
        .collect();
    let mut circles = BTreeSet::new();
    for (from, reached) in &reach {
        let back = reached.iter().filter(|to| reach[**to].contains(from));
        let circle: BTreeSet<&str> = back.copied().collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    let named = circles.into_iter();
    named
        .map(|circle| circle.into_iter().map(str::to_owned).collect())
        .collect()
}

/// Every file that a walk from this one comes to.
fn reachable<'a>(arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let (mut found, mut todo) = (BTreeSet::new(), vec![from]);
    while let Some(file) = todo.pop() {
        let next = arrows.get(file).into_iter().flatten();
        for next in next {
            if found.insert(*next) {
                todo.push(next);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::circles;
    use crate::rules::SourceFile;

    fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let files = files.iter().map(|(path, text)| SourceFile {
            path: format!("src/{path}"),
            text: (*text).to_owned(),
        });
        circles(&files.collect::<Vec<_>>())
    }

    #[test]
    fn files_that_use_each_other_are_a_circle_through_whatever_passes_them_on() {
        let files = [
            (
                "room/mod.rs",
                "mod a; mod b; mod c; pub use b::B; use c::C;",
            ),
            ("room/a.rs", "use super::B; pub struct A;"),
            ("room/b.rs", "use super::a::A; use super::C; pub struct B;"),
            ("room/c.rs", "pub struct C;"),
        ];
        assert_eq!(found(&files), [["src/room/a.rs", "src/room/b.rs"]]);
    }

    #[test]
    fn what_only_tests_use_and_a_part_that_knows_its_whole_make_no_circle() {
        let files = [
            (
                "room/mod.rs",
                "mod a; mod b; pub use a::A; pub(crate) use b::B; struct M;",
            ),
            ("room/a.rs", "use super::M; pub struct A;"),
            (
                "room/b.rs",
                "#[cfg(test)] mod tests { use crate::room::a::A; } use super::a::A;",
            ),
        ];
        assert_eq!(found(&files), Vec::<Vec<String>>::new());
    }
}
