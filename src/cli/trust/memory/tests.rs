//! What is kept is recalled by its owner alone, whatever else lies in the folder.

use std::fs;
use std::thread;

use jiff::Timestamp;

use super::super::{KnownHost, TrustedFile};
use super::{Entry, Memory};
use crate::cli::environment::Environment;

fn memory(folder: &std::path::Path) -> Memory {
    let folder = folder.display().to_string();
    Memory::of(&Environment::from_lookup(|name| {
        (name == "XDG_STATE_HOME").then(|| folder.clone().into())
    }))
}

fn host(root: &str) -> KnownHost {
    KnownHost {
        root: root.to_owned(),
        insecure_http: false,
        named_by: "flag --base-url".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn what_is_kept_is_recalled_listed_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    assert_eq!(memory.recall::<KnownHost>("https://a"), None);
    for root in ["https://b", "https://a", "https://a/customer/7"] {
        memory.keep(&host(root)).unwrap();
        memory.keep(&host(root)).unwrap();
    }
    let allowed = KnownHost {
        insecure_http: true,
        ..host("https://b")
    };
    memory.keep(&allowed).unwrap();
    assert_eq!(memory.recall("https://b"), Some(allowed));
    assert_eq!(memory.recall::<KnownHost>("https://a/customer/8"), None);
    let roots: Vec<_> = memory
        .all::<KnownHost>()
        .into_iter()
        .map(|host| host.root)
        .collect();
    assert_eq!(roots, ["https://a", "https://a/customer/7", "https://b"]);
    assert_eq!(memory.all::<TrustedFile>(), []);
    assert!(memory.forget::<KnownHost>("https://a").unwrap());
    assert!(!memory.forget::<KnownHost>("https://a").unwrap());
    assert_eq!(memory.recall::<KnownHost>("https://a"), None);
}

#[test]
fn several_writers_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    thread::scope(|scope| {
        for writer in 0..8 {
            let memory = &memory;
            scope.spawn(move || {
                for n in 0..8 {
                    memory
                        .keep(&host(&format!("https://{writer}.test/{n}")))
                        .unwrap();
                    memory.keep(&host("https://shared.test")).unwrap();
                }
            });
        }
    });
    assert_eq!(memory.all::<KnownHost>().len(), 65);
}

#[cfg(unix)]
#[test]
fn files_are_the_owner_s_alone_and_what_others_may_write_is_not_believed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    memory.keep(&host("https://a")).unwrap();
    let kind = folder.path().join("claude-run").join(KnownHost::KIND);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&kind), 0o700);
    let file = fs::read_dir(&kind).unwrap().next().unwrap().unwrap().path();
    assert_eq!(mode(&file), 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o606)).unwrap();
    assert_eq!(memory.recall::<KnownHost>("https://a"), None);
}

#[test]
fn a_broken_entry_is_none_and_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    memory.keep(&host("https://a")).unwrap();
    memory.keep(&host("https://b")).unwrap();
    let file = memory.file::<KnownHost>("https://a").unwrap();
    for text in ["", "{", "[]", "{\"root\": \"https://other\"}", "\0\0\0"] {
        fs::write(&file, text).unwrap();
        assert_eq!(memory.recall::<KnownHost>("https://a"), None, "{text:?}");
        assert_eq!(memory.all::<KnownHost>(), [host("https://b")], "{text:?}");
    }
    // An entry about another host, put under this one's name.
    fs::copy(memory.file::<KnownHost>("https://b").unwrap(), &file).unwrap();
    assert_eq!(memory.recall::<KnownHost>("https://a"), None);
    memory.keep(&host("https://a")).unwrap();
    assert_eq!(memory.recall("https://a"), Some(host("https://a")));
}

#[test]
fn without_a_folder_nothing_is_remembered_and_nothing_breaks() {
    let memory = Memory::default();
    assert_eq!(memory.recall::<KnownHost>("https://a"), None);
    assert_eq!(memory.all::<KnownHost>(), []);
    assert!(
        memory
            .keep(&host("https://a"))
            .unwrap_err()
            .to_string()
            .contains("HOME")
    );
    assert!(!memory.forget::<KnownHost>("https://a").unwrap());
}
