//! Where the text comes from: a file or standard input, unpacked and hashed as it is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::{Compression, OpenError, ReadError};

/// What is read at a time: large enough for the hash to work at full speed.
const BUFFER_BYTES: usize = 128 * 1024;

/// Enough of the start to know every format that is told apart here.
const MAGIC_BYTES: usize = 6;

/// An open input: a stream of its unpacked bytes.
///
/// Whether it is packed is decided by its first bytes, so a misnamed file and a packed stream on
/// standard input work too.
pub struct Source {
    name: String,
    compression: Compression,
    reader: BufReader<Hashing>,
}

impl Source {
    /// Opens the file at `path`, whatever bytes its name has; `-` is standard input.
    ///
    /// # Errors
    ///
    /// When there is no such file, it cannot be read, or it is in a format that is not read here.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        if name == "-" {
            let stdin = BufReader::with_capacity(BUFFER_BYTES, io::stdin());
            return Self::from_reader("standard input", Box::new(stdin));
        }
        let unopened = |cause| OpenError::from_io(name.clone(), cause);
        let file = File::open(path).map_err(unopened)?;
        if file.metadata().map_err(unopened)?.is_dir() {
            return Err(OpenError::Folder { name });
        }
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        Self::from_reader(&name, Box::new(file))
    }

    /// Takes any stream as input; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// As [`Source::open`].
    pub fn from_reader(name: &str, mut stream: Box<dyn BufRead + Send>) -> Result<Self, OpenError> {
        let start =
            read_start(&mut stream).map_err(|cause| OpenError::from_io(name.to_owned(), cause))?;
        let compression = recognise(name, &start)?;
        let packed = Cursor::new(start).chain(stream);
        let unpacked: Box<dyn Read + Send> = match compression {
            Compression::Plain => Box::new(packed),
            // Logs are often several gzip members one after the other.
            Compression::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(packed)
                    .map_err(|cause| OpenError::from_io(name.to_owned(), cause))?;
                Box::new(decoder)
            }
        };
        Ok(Self {
            name: name.to_owned(),
            compression,
            reader: BufReader::with_capacity(BUFFER_BYTES, Hashing::new(unpacked)),
        })
    }

    /// What errors call it: the path as the user wrote it, or `standard input`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is packed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The blake3 hash of the whole unpacked content; none before the end was reached.
    #[must_use]
    pub fn content_hash(&self) -> Option<[u8; 32]> {
        let hashing = self.reader.get_ref();
        // The hash of a part would pass for that of another file.
        let at_end = hashing.ended && self.reader.buffer().is_empty();
        at_end.then(|| *hashing.hasher.finalize().as_bytes())
    }

    /// Unpacked bytes that were read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.reader.get_ref().hasher.count() - self.reader.buffer().len() as u64
    }

    pub(super) fn read_error(&self, line: u64, cause: io::Error) -> ReadError {
        ReadError {
            name: self.name.clone(),
            compression: self.compression,
            line,
            cause,
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}

/// Reads an input through only for the hash of its content, by which a repeated submit is
/// recognised. Far quicker than checking the lines.
///
/// # Errors
///
/// When reading breaks off, with the line where it did.
pub fn hash_only(mut source: Source) -> Result<[u8; 32], ReadError> {
    let mut line = 1;
    loop {
        match source.skip_until(b'\n') {
            Ok(0) => return Ok(*source.reader.get_ref().hasher.finalize().as_bytes()),
            Ok(_) => line += 1,
            Err(cause) => return Err(source.read_error(line, cause)),
        }
    }
}

/// Hashes what passes through it.
struct Hashing {
    inner: Box<dyn Read + Send>,
    hasher: blake3::Hasher,
    ended: bool,
}

impl Hashing {
    fn new(inner: Box<dyn Read + Send>) -> Self {
        Self {
            inner,
            hasher: blake3::Hasher::new(),
            ended: false,
        }
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        // An empty buffer reads nothing, wherever the file ends.
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

/// The first bytes of a stream; a pipe may give them one by one.
fn read_start(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(MAGIC_BYTES);
    stream.take(MAGIC_BYTES as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Tells the format by its magic numbers (RFC 1952, RFC 8878, and those of common other formats).
fn recognise(name: &str, start: &[u8]) -> Result<Compression, OpenError> {
    let foreign = |format, remedy| {
        Err(OpenError::Foreign {
            name: name.to_owned(),
            format,
            remedy,
        })
    };
    let unpack = "unpack it and give the JSONL file (gzip and zstd are read as they are)";
    match start {
        [0x1F, 0x8B, ..] => Ok(Compression::Gzip),
        [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Ok(Compression::Zstd),
        [0xFD, b'7', b'z', b'X', b'Z', 0] => foreign("an xz file", unpack),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => foreign("a bzip2 file", unpack),
        // Spreadsheets are zip files; only their name tells them apart.
        [b'P', b'K', 3, 4, ..] if is_spreadsheet(name) => foreign(
            "a spreadsheet",
            "write each of its rows as one JSON object on a line of its own, with its text as `prompt`",
        ),
        [b'P', b'K', 3, 4, ..] => foreign("a zip file", unpack),
        [b'P', b'A', b'R', b'1', ..] => foreign(
            "a Parquet file",
            "write the table as JSONL, for example with DuckDB (`COPY ... TO 'jobs.jsonl'`) or pandas (`to_json(lines=True)`)",
        ),
        [b'%', b'P', b'D', b'F', ..] => foreign("a PDF", "give a JSONL file"),
        [b'S', b'Q', b'L', b'i', b't', b'e'] => foreign(
            "an SQLite database",
            "give the JSONL file (what is in a store, `claude-run export` writes)",
        ),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            foreign("UTF-16 text", "save it as UTF-8, for example with `iconv`")
        }
        [b'{' | b'[' | b'"', 0, ..] => foreign(
            "UTF-16 text without a byte order mark",
            "save it as UTF-8, for example with `iconv -f UTF-16LE -t UTF-8`",
        ),
        [0, b'{' | b'[' | b'"', ..] => foreign(
            "UTF-16 text without a byte order mark",
            "save it as UTF-8, for example with `iconv -f UTF-16BE -t UTF-8`",
        ),
        [] if has_packed_name(name) => Err(OpenError::EmptyArchive {
            name: name.to_owned(),
        }),
        _ => Ok(Compression::Plain),
    }
}

/// Workbooks of Excel and LibreOffice are zip files.
fn is_spreadsheet(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".xlsx", ".xlsm", ".ods"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

fn has_packed_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".gz", ".zst"].iter().any(|ending| name.ends_with(ending))
}
