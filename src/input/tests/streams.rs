//! The stream around the lines: ends, marks, packing, damage, sizes.

use std::io::{self, BufReader, Cursor, Read, Write};

use proptest::prelude::*;

use super::{items, reader, source, with_model};
use crate::input::{
    Compression, Item, LineError, MAX_LINE_BYTES, OpenError, ReadError, Source, hash_only,
};
use crate::model::Shaping;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lines(n: usize) -> String {
    let line = |i: usize| {
        let noise = blake3::hash(&i.to_le_bytes()).to_hex();
        format!("{{\"custom_id\":\"id-{i}\",\"prompt\":\"{noise}\"}}\n")
    };
    (0..n).map(line).collect::<Vec<_>>().concat()
}

/// What an input gave before it broke off.
fn until_error(bytes: Vec<u8>) -> (usize, Option<ReadError>) {
    let mut reader = reader(source(bytes), &with_model());
    let mut jobs = 0;
    for item in &mut reader {
        match item {
            Ok(_) => jobs += 1,
            Err(error) => {
                assert_eq!(reader.content_hash(), None);
                assert!(reader.next().is_none());
                return (jobs, Some(error));
            }
        }
    }
    (jobs, None)
}

fn bad(item: Item) -> LineError {
    match item {
        Item::Bad(error) => error,
        Item::Job { job, .. } => panic!("taken: {}", job.custom_id),
    }
}

#[test]
fn packed_content_gives_the_same_jobs_and_the_same_hash() {
    let plain = lines(300);
    let expected = items(source(plain.clone()), &with_model());
    assert_eq!(expected.len(), 300);
    let hash = *blake3::hash(plain.as_bytes()).as_bytes();
    let (first, second) = plain.as_bytes().split_at(1_000);
    let members = [gzip(first), gzip(second)].concat();
    let frames = [zstd(first), zstd(second)].concat();
    for (bytes, compression) in [
        (plain.clone().into_bytes(), Compression::Plain),
        (gzip(plain.as_bytes()), Compression::Gzip),
        (members, Compression::Gzip),
        (zstd(plain.as_bytes()), Compression::Zstd),
        (frames, Compression::Zstd),
    ] {
        let source_of = || source(bytes.clone());
        assert_eq!(source_of().compression(), compression);
        let mut reader = reader(source_of(), &with_model());
        assert_eq!(reader.content_hash(), None);
        let found: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!(found, expected);
        assert_eq!(reader.content_hash(), Some(hash));
        assert_eq!(reader.bytes_read(), plain.len() as u64);
        assert_eq!(reader.lines_read(), 300);
        assert_eq!(hash_only(source_of()).unwrap(), hash);
    }
}

#[test]
fn a_packed_stream_that_is_cut_off_is_an_error_with_its_line() {
    let plain = lines(5_000);
    for packed in [gzip(plain.as_bytes()), zstd(plain.as_bytes())] {
        for kept in [packed.len() / 2, packed.len() - 3] {
            let (jobs, error) = until_error(packed[..kept].to_vec());
            let error = error.unwrap();
            assert!(error.is_damage());
            assert_eq!(error.line, jobs as u64 + 1);
            let text = error.to_string();
            assert!(text.contains("damaged or cut off in line"), "{text}");
            assert!(text.ends_with("Make or fetch the file again"), "{text}");
            assert!(hash_only(source(packed[..kept].to_vec())).is_err());
        }
    }
}

#[test]
fn a_packed_stream_that_is_damaged_is_an_error() {
    let plain = lines(2_000);
    for mut packed in [gzip(plain.as_bytes()), zstd(plain.as_bytes())] {
        let middle = packed.len() / 2;
        packed[middle..middle + 64].fill(0xA5);
        assert!(until_error(packed).1.is_some());
    }
    let mut trailing = gzip(plain.as_bytes());
    trailing.extend_from_slice(b"no gzip member");
    assert!(until_error(trailing).1.is_some());
}

#[test]
fn a_failing_disk_is_an_error_with_its_line() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }
    let stream = BufReader::new(Cursor::new(lines(2).into_bytes()).chain(Failing));
    let source = Source::from_reader("jobs.jsonl", Box::new(stream)).unwrap();
    let mut reader = reader(source, &with_model());
    assert!(reader.by_ref().take(2).all(|item| item.is_ok()));
    let error = reader.next().unwrap().unwrap_err();
    assert!(!error.is_damage());
    let text = error.to_string();
    assert!(
        text.starts_with("jobs.jsonl: reading failed in line 3 (Input/output error"),
        "{text}"
    );
    assert!(reader.next().is_none());
}

#[test]
fn nothing_but_white_space_is_no_job_and_no_error() {
    for text in ["", "\n", "\u{feff}", "\u{feff}\r\n  \t\r\n\n", " "] {
        assert_eq!(items(source(text), &Shaping::default()), [], "{text:?}");
    }
}

#[test]
fn a_byte_order_mark_counts_only_at_the_start() {
    let inside = "{\"prompt\":\"p\"}\n\u{feff}{\"prompt\":\"p\"}\n";
    let found = items(source(inside), &with_model());
    let error = bad(found[1].clone());
    assert_eq!((error.line, error.column), (2, 1));
    let marked = bad(items(source("\u{feff}{\"promt\":1}"), &with_model())[0].clone());
    assert_eq!(marked.column, 2);
}

#[test]
fn a_line_of_exactly_the_limit_is_read_and_one_byte_more_is_not() {
    let line = |bytes: usize| {
        let frame = "{\"params\":{\"model\":\"m\",\"max_tokens\":1,\"messages\":[1],\"x\":\"\"}}";
        let (head, tail) = frame.split_at(frame.len() - 3);
        format!("{head}{}{tail}", "x".repeat(bytes - frame.len()))
    };
    let (fits, over) = (line(MAX_LINE_BYTES), line(MAX_LINE_BYTES + 1));
    let text = format!("\u{feff}{fits}\r\n{over}\r\n{{\"prompt\":\"p\"}}\r\n");
    let found = items(source(text), &with_model());
    assert!(matches!(&found[0], Item::Job { job, .. } if job.body.len() == MAX_LINE_BYTES - 11));
    assert_eq!(
        bad(found[1].clone()).to_string(),
        "line 2, column 1: the line is longer than 32 MB, the most the API takes: split the request"
    );
    assert!(matches!(&found[2], Item::Job { job, .. } if job.custom_id == "line-3"));
}

#[test]
fn a_body_that_defaults_make_too_large_is_refused() {
    let frame = "{\"params\":{\"messages\":[\"\"]}}";
    let (head, tail) = frame.split_at(frame.len() - 4);
    let line = format!("{head}{}{tail}", "x".repeat(MAX_LINE_BYTES - frame.len()));
    let error = bad(items(source(line), &with_model())[0].clone());
    assert_eq!(
        error.to_string(),
        "line 1, column 11: the request has 33554451 bytes, the API takes at most 32 MB: split it"
    );
}

/// A stream that is far larger than memory should ever become.
#[test]
fn a_line_that_never_ends_is_skipped_and_not_held() {
    let endless = BufReader::new(
        Cursor::new(b"{\"prompt\":\"".to_vec())
            .chain(io::repeat(b'x').take(40 * 1024 * 1024))
            .chain(Cursor::new(b"\"}\n{\"prompt\":\"p\"}".to_vec())),
    );
    let source = Source::from_reader("jobs.jsonl", Box::new(endless)).unwrap();
    let mut lines = crate::input::lines::Lines::new(source);
    assert_eq!(lines.next().unwrap().unwrap().err().unwrap().line, 1);
    assert_eq!(lines.next().unwrap().unwrap().unwrap().number, 2);
    assert!(lines.next().unwrap().is_none());
    assert!(lines.capacity() <= 2 * (MAX_LINE_BYTES + 5));
}

#[test]
fn what_cannot_be_opened_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let message = |path: &str| Source::open(path).err().unwrap().to_string();
    let missing = path("missing.jsonl");
    assert_eq!(
        message(&missing),
        format!("no such file: {missing}. Check the path (`-` reads standard input)")
    );
    let folder_path = path("");
    assert_eq!(
        message(&folder_path),
        format!("{folder_path} is a folder. Name a JSONL file in it")
    );
    for (name, content, says) in [
        (
            "a.gz",
            &b""[..],
            "is empty, and an empty file is no compressed file",
        ),
        ("a.xz", b"\xFD7zXZ\0...", "is an xz file. Unpack it"),
        ("a.bz2", b"BZh91AY", "is a bzip2 file. Unpack it"),
        ("a.zip", b"PK\x03\x04..", "is a zip file. Unpack it"),
        ("a.txt", b"\xFF\xFE{\0", "is UTF-16 text. Save it as UTF-8"),
    ] {
        let path = path(name);
        std::fs::write(&path, content).unwrap();
        let text = message(&path);
        assert!(text.starts_with(&path) && text.contains(says), "{text}");
    }
}

#[test]
fn a_misnamed_file_is_read_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let plain = lines(3);
    for (name, content) in [
        ("plain.gz", plain.clone().into_bytes()),
        ("packed.jsonl", gzip(plain.as_bytes())),
        ("packed.gz", zstd(plain.as_bytes())),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let source = Source::open(path.to_str().unwrap()).unwrap();
        assert_eq!(source.name(), path.to_str().unwrap());
        assert_eq!(items(source, &with_model()).len(), 3, "{name}");
    }
    let not_there = Source::open("/dev/null/x");
    assert!(matches!(not_there, Err(OpenError::Unreadable { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the bytes arrive and whatever the line ends are, the jobs are the same.
    #[test]
    fn chunks_line_ends_and_marks_do_not_matter(
        prompts in prop::collection::vec("[a-zé☺ ]{1,20}", 1..8),
        blanks in prop::collection::vec(0_usize..3, 8),
        chunk in 1_usize..40,
        crlf: bool,
        mark: bool,
        last_end: bool,
        packing in 0_u8..3,
    ) {
        let mut plain = String::new();
        for (prompt, blanks) in prompts.iter().zip(&blanks) {
            plain.push_str(&"\n".repeat(*blanks));
            plain.extend(["{\"prompt\":\"", prompt, "\"}\n"]);
        }
        let expected = items(source(plain.clone()), &with_model());
        prop_assert_eq!(expected.len(), prompts.len());
        let mut text = plain;
        if !last_end {
            text.pop();
        }
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        if mark {
            text.insert(0, '\u{feff}');
        }
        let bytes = match packing {
            0 => text.into_bytes(),
            1 => gzip(text.as_bytes()),
            _ => zstd(text.as_bytes()),
        };
        let stream = BufReader::with_capacity(chunk, Cursor::new(bytes));
        let source = Source::from_reader("jobs.jsonl", Box::new(stream)).unwrap();
        prop_assert_eq!(items(source, &with_model()), expected);
    }
}
