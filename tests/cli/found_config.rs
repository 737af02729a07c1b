//! What merely has the name of a config file holds nothing up.

use std::fs;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{Desk, plain_jobs};

#[test]
fn a_pipe_or_a_folder_of_that_name_is_told_and_not_waited_for() {
    for is_pipe in [true, false] {
        for name in ["claude-run.toml", ".config/claude-run/config.toml"] {
            let desk = Desk::new();
            let path = desk.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if is_pipe {
                let mode = Mode::RUSR | Mode::WUSR;
                mknodat(CWD, &path, FileType::Fifo, mode, 0).unwrap();
            } else {
                fs::create_dir(&path).unwrap();
            }
            desk.write("jobs.jsonl", plain_jobs(1));
            for command in [
                &["submit", "jobs.jsonl"][..],
                &["status"],
                &["config"],
                &["doctor"],
            ] {
                let output = desk.run(command);
                assert!(matches!(output.code, Some(1 | 2)), "{output:?}");
                let told = format!("{}{}", output.stdout, output.stderr);
                assert!(told.contains("it is no file"), "{told}");
            }
            // A file that is named goes before it.
            desk.write("other.toml", "");
            desk.run(&["submit", "jobs.jsonl", "--config", "other.toml"])
                .expect(0);
        }
    }
}
