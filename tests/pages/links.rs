//! Every link from one file of the repository to another leads somewhere, to its heading too.

use std::fs;
use std::path::{Path, PathBuf};

use crate::page::root;

/// Every page of the repository, relative to it. The changelog tells of pages as they were.
pub(crate) fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    let top = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "examples/README.md",
    ];
    pages.extend(top.map(str::to_owned));
    collect(&root().join("docs"), &mut pages);
    pages.sort();
    pages
}

fn collect(folder: &Path, pages: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, pages);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            let name = path.strip_prefix(root()).unwrap();
            pages.push(name.to_str().unwrap().to_owned());
        }
    }
}

/// The targets of `[text](target)` outside code.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut in_fence = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        let mut rest = line;
        while let Some((_, behind)) = rest.split_once("](") {
            let Some((target, behind)) = behind.split_once(')') else {
                break;
            };
            targets.push(target.to_owned());
            rest = behind;
        }
    }
    targets
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> Vec<String> {
    let mut in_fence = false;
    let mut anchors = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        let heading = line.trim_start_matches('#');
        if !in_fence && heading.len() < line.len() && heading.starts_with(' ') {
            anchors.push(anchor(heading));
        }
    }
    anchors
}

#[test]
fn every_link_leads_somewhere() {
    let mut followed = 0;
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for target in targets(&text) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, fragment) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() {
                root().join(&page)
            } else {
                root().join(&page).parent().unwrap().join(file)
            };
            assert!(path.exists(), "{page}: {target}");
            if !fragment.is_empty() {
                let found = anchors(&fs::read_to_string(&path).unwrap());
                assert!(
                    found.contains(&fragment.to_owned()),
                    "{page}: {target}: {found:?}"
                );
            }
            followed += 1;
        }
    }
    assert!(followed > 60, "only {followed} links were found");
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let mut reached = vec![PathBuf::from("README.md")];
    let mut next = 0;
    while next < reached.len() {
        let page = reached[next].clone();
        next += 1;
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for target in targets(&text) {
            let file = target.split('#').next().unwrap_or_default();
            if Path::new(file).extension().is_none_or(|end| end != "md")
                || file.starts_with("https://")
            {
                continue;
            }
            let path = fs::canonicalize(root().join(&page).parent().unwrap().join(file)).unwrap();
            let path = path
                .strip_prefix(fs::canonicalize(root()).unwrap())
                .unwrap()
                .to_owned();
            if !reached.contains(&path) {
                reached.push(path);
            }
        }
    }
    for page in pages() {
        assert!(
            reached.contains(&PathBuf::from(&page)),
            "nothing leads to {page}"
        );
    }
}

/// Files of the sources and tests name pages in comments and messages.
#[test]
fn every_page_that_the_code_names_is_there() {
    let mut named = 0;
    for folder in ["src", "tests", "examples", "benches", "fuzz"] {
        named += check_folder(&root().join(folder));
    }
    assert!(named > 5, "only {named} were found");
}

fn check_folder(folder: &Path) -> usize {
    let mut named = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("corpus") {
                named += check_folder(&path);
            }
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        for (at, _) in text.match_indices("docs/") {
            let name = text[at..].split(|c| !is_name(c)).next().unwrap_or_default();
            if let Some((name, _)) = name.split_once(".md") {
                let page = format!("{name}.md");
                assert!(
                    root().join(&page).exists(),
                    "{} names {page}",
                    path.display()
                );
                named += 1;
            }
        }
    }
    named
}
