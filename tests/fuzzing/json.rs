//! JSON documents: texts, CBOR, paths, edits.
//!
//! Any bytes are refused or become a document. Its text and its CBOR give the document again, after
//! any edits.

use russet_json::{Budget, Document, Format, Path};

/// CBOR after a zero byte; otherwise a path, a zero byte and a text.
pub fn json(bytes: &[u8]) {
    if let Some((0, cbor)) = bytes.split_first() {
        if let Ok(document) = Document::from_cbor(cbor) {
            check(&document);
        }
        return;
    }
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let path = parts.next().map(str::from_utf8);
    let Some(Ok(mut document)) = parts.next().map(Document::parse) else {
        return;
    };
    check(&document);
    let Some(Ok(Ok(path))) = path.map(|path| path.map(Path::parse)) else {
        return;
    };
    edit(&mut document, &path);
    check(&document);
}

/// Copies the document into each value that the path finds, then deletes these values, the deepest
/// first.
fn edit(document: &mut Document, path: &Path) {
    let copy = document.clone();
    for at in path
        .locations(document.root(), &Budget::brief())
        .unwrap_or_default()
    {
        // An earlier deletion may have removed the value around it.
        let at = &at[..];
        let one = std::slice::from_ref(&copy);
        let _ = document.insert_elements(at, 0, one)
            || document.set_member(at, "new", copy.root())
            || document.append_text(at, "new")
            || document.clear(at)
            || document.replace(at, copy.root());
    }
    for at in path
        .deletions(document.root(), &Budget::brief())
        .unwrap_or_default()
    {
        let is_there = document.get(&at).is_some();
        assert_eq!(document.remove(&at), is_there && !at.is_empty());
    }
}

fn check(document: &Document) {
    document.check_invariants();
    let print = |document: &Document| {
        let mut text = Vec::new();
        document.root().print(&Format::default(), &mut text);
        text
    };
    let text = print(document);
    let again = Document::parse_stored(&text).expect("a document's text is one");
    again.check_invariants();
    assert_eq!(print(&again), text);
    let cbor = document.to_cbor();
    let again = Document::from_cbor(&cbor).expect("a document's CBOR is one");
    assert_eq!(print(&again), text);
    assert_eq!(again.to_cbor(), cbor);
}
