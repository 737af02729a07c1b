//! The shape of the sources in figures, and the limits that hold what was reached.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use syn::visit::{self, Visit};

use super::circles::circles;
use super::rules::{SourceFile, TestFiles, module};
use super::tokens::{lines_for_tests, tokens};

/// Names of public types that another type has too.
const MAX_SHARED_NAMES: usize = 26;
/// Lines that say why, of 1,000 lines of code.
const MIN_REASONS: usize = 14;

/// Lines of one room by what they are.
#[derive(Clone, Copy, Default)]
struct Lines {
    files: usize,
    code: usize,
    /// Doc comments and others.
    comment: usize,
    /// Those that are no doc comments.
    reason: usize,
    blank: usize,
    test: usize,
}

impl Lines {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.code += other.code;
        self.comment += other.comment;
        self.reason += other.reason;
        self.blank += other.blank;
        self.test += other.test;
    }

    fn reasons(self) -> usize {
        self.reason * 1_000 / self.code.max(1)
    }
}

/// What is counted.
#[derive(Default)]
pub struct Shape {
    rooms: BTreeMap<String, Lines>,
    file_sizes: Vec<usize>,
    function_sizes: Vec<usize>,
    circles: Vec<Vec<String>>,
    /// The files that define a type of that name, where they are several and one of the types is public:
    /// types that are private to their places are told apart by them.
    shared_names: BTreeMap<String, Vec<String>>,
}

impl Shape {
    pub fn of(files: &[SourceFile]) -> Self {
        let for_tests = TestFiles::of(files);
        let mut shape = Self {
            circles: circles(files),
            ..Self::default()
        };
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut public = BTreeSet::new();
        for file in files {
            let room = module(&file.path).swap_remove(0);
            let room = shape.rooms.entry(room).or_default();
            if for_tests.holds(&file.path) {
                room.test += file.text.lines().count();
                continue;
            }
            let lines = lines_of(file);
            room.add(lines);
            shape.file_sizes.push(lines.code);
            let mut items = Items::default();
            items.visit_file(&syn::parse_file(&file.text).unwrap());
            shape.function_sizes.extend(items.functions);
            for name in items.types {
                names.entry(name).or_default().push(file.path.clone());
            }
            public.extend(items.public_types);
        }
        names.retain(|name, files| files.len() > 1 && public.contains(name));
        shape.shared_names = names;
        shape
    }

    fn total(&self) -> Lines {
        let mut total = Lines::default();
        self.rooms.values().for_each(|lines| total.add(*lines));
        total
    }

    /// Limits that the sources do not keep.
    pub fn broken_limits(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let names = self.shared_names.len();
        for circle in &self.circles {
            broken.push(format!("a circle of files: {}", circle.join(", ")));
        }
        if names > MAX_SHARED_NAMES {
            broken.push(format!(
                "{names} names of two types, at most {MAX_SHARED_NAMES}"
            ));
        }
        let reasons = self.total().reasons();
        if reasons < MIN_REASONS {
            broken.push(format!(
                "{reasons} lines of reasons in 1,000 of code, at least {MIN_REASONS}"
            ));
        }
        broken
    }
}

/// Blank lines, comments and code of a file, and what of it is for tests.
fn lines_of(file: &SourceFile) -> Lines {
    let for_tests = lines_for_tests(&tokens(&file.text));
    let is_for_tests = |line: usize| for_tests.iter().any(|(a, z)| (*a..=*z).contains(&line));
    let mut lines = Lines {
        files: 1,
        ..Lines::default()
    };
    for (text, line) in file.text.lines().map(str::trim).zip(1..) {
        if is_for_tests(line) {
            lines.test += 1;
        } else if text.is_empty() {
            lines.blank += 1;
        } else if text.starts_with("//") {
            let is_doc = text.starts_with("///") || text.starts_with("//!");
            lines.comment += 1;
            lines.reason += usize::from(!is_doc);
        } else {
            lines.code += 1;
        }
    }
    lines
}

/// Names of types and lengths of functions, without what is for tests.
#[derive(Default)]
struct Items {
    types: BTreeSet<String>,
    /// Those that are `pub` without a bound.
    public_types: BTreeSet<String>,
    functions: Vec<usize>,
}

impl Items {
    fn named(&mut self, name: &syn::Ident, visibility: &syn::Visibility) {
        self.types.insert(name.to_string());
        if matches!(visibility, syn::Visibility::Public(_)) {
            self.public_types.insert(name.to_string());
        }
    }

    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = body.brace_token.span.close().start().line;
        self.functions.push(last - first + 1);
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all (test"))
    })
}

impl<'ast> Visit<'ast> for Items {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.named(&item.ident, &item.vis);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.named(&item.ident, &item.vis);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.named(&item.ident, &item.vis);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.named(&item.ident, &item.vis);
    }
}

/// Median, the size that nine of ten keep, and the largest.
fn spread(sizes: &[usize]) -> String {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    let at = |tenths: usize| sizes.get((sizes.len() - 1) * tenths / 10).copied();
    let [median, most, largest] = [5, 9, 10].map(|tenths| at(tenths).unwrap_or_default());
    format!("median {median}, nine of ten {most}, largest {largest}")
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = ["room", "files", "code", "comment", "blank", "tests"];
        let [room, files, code, comment, blank, tests] = columns;
        writeln!(
            f,
            "{room:<10} {files:>6} {code:>7} {comment:>8} {blank:>7} {tests:>7}"
        )?;
        let total = self.total();
        let rooms = self
            .rooms
            .iter()
            .map(|(name, lines)| (name.as_str(), lines));
        for (name, lines) in rooms.chain([("all", &total)]) {
            writeln!(
                f,
                "{name:<10} {:>6} {:>7} {:>8} {:>7} {:>7}",
                lines.files, lines.code, lines.comment, lines.blank, lines.test
            )?;
        }
        writeln!(f, "\ncode lines of a file: {}", spread(&self.file_sizes))?;
        writeln!(f, "lines of a function: {}", spread(&self.function_sizes))?;
        writeln!(
            f,
            "lines of `//` comments in 1,000 lines of code: {}",
            total.reasons()
        )?;
        writeln!(f, "\ncircles of files inside rooms: {}", self.circles.len())?;
        for circle in &self.circles {
            writeln!(f, "  {}", circle.join(", "))?;
        }
        writeln!(
            f,
            "\nnames of public types that stand for two or more: {}",
            self.shared_names.len()
        )?;
        for (name, files) in &self.shared_names {
            writeln!(f, "  {name}: {}", files.join(", "))?;
        }
        Ok(())
    }
}
