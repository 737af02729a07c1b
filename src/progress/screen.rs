//! The terminal that bars are drawn on, behind a queue: one that takes nothing (Ctrl-S, a window that
//! hangs) stops no run.

use std::io;
use std::sync::{Mutex, PoisonError};

use indicatif::TermLike;

use super::behind::Behind;

/// What a terminal that does not tell is taken for.
const USUAL: (u16, u16) = (80, 24);

/// Gathers what is drawn and hands each frame on whole.
#[derive(Debug)]
pub(super) struct Screen {
    out: Behind,
    frame: Mutex<String>,
}

impl Screen {
    pub(super) fn on(out: Behind) -> Self {
        Self {
            out,
            frame: Mutex::default(),
        }
    }

    fn draw(&self, text: &str) {
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        frame.push_str(text);
    }

    fn move_cursor(&self, n: usize, to: char) {
        if n > 0 {
            self.draw(&format!("\x1b[{n}{to}"));
        }
    }
}

/// Columns and rows.
fn size() -> (u16, u16) {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stderr())
        && size.ws_col > 0
        && size.ws_row > 0
    {
        return (size.ws_col, size.ws_row);
    }
    USUAL
}

/// Columns of the terminal.
pub(super) fn width() -> u16 {
    size().0
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        width()
    }
    fn height(&self) -> u16 {
        size().1
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'A');
        Ok(())
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'B');
        Ok(())
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'C');
        Ok(())
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'D');
        Ok(())
    }
    fn write_line(&self, line: &str) -> io::Result<()> {
        self.draw(&format!("{line}\n"));
        Ok(())
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text);
        Ok(())
    }
    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\x1b[2K");
        Ok(())
    }
    /// The cursor rests at the beginning of the last line: there the terminal's own `^C` breaks no
    /// line, and the next frame finds the lines of this one where it left them.
    fn flush(&self) -> io::Result<()> {
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        let mut drawn = std::mem::take(&mut *frame);
        if !drawn.is_empty() {
            drawn.push('\r');
        }
        self.out.put(drawn.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::progress::behind::PATIENCE;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Vec<u8>>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_frame_is_one_write_and_leaves_the_cursor_at_the_beginning_of_its_last_line() {
        let kept = Kept::default();
        let place = kept.clone();
        let out = Behind::start(1_000, move || Ok(place)).unwrap();
        let screen = Screen::on(out.clone());
        screen.move_cursor_up(2).unwrap();
        screen.move_cursor_down(0).unwrap();
        screen.clear_line().unwrap();
        screen.write_line("a").unwrap();
        screen.write_str("b").unwrap();
        screen.flush().unwrap();
        screen.flush().unwrap();
        assert!(out.settle(PATIENCE));
        let frames = kept.0.lock().unwrap();
        assert_eq!(*frames, [b"\x1b[2A\r\x1b[2Ka\nb\r".to_vec()]);
    }
}
