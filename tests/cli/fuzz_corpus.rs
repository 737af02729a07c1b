//! Every input in `fuzz/corpus/`, seeds and what was once found, through what the fuzzer checks.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/checks.rs"]
#[expect(unreachable_pub, reason = "it is a module of the fuzz targets too")]
mod checks;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut files: Vec<_> = fs::read_dir(corpus.join(target))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() > 5, "{target} has {} inputs", files.len());
    for file in files {
        // A failure is told behind the name of its input.
        eprintln!("{}", file.display());
        check(&fs::read(file).unwrap());
    }
}

#[test]
fn what_the_fuzzer_found_stays_mended() {
    replay("batch_line", checks::batch_line);
    replay("classify", checks::classify);
    replay("config_file", checks::config_file);
    replay("input_line", checks::input_line);
    replay("price_table", checks::price_table);
    replay("sse", checks::sse);
}
