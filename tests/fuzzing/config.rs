//! Configuration files: any text is loaded or refused, and a rewrite keeps the loaded settings.

use super::input::Input;
use russet_config::{Config, DIRECTIVES, Problem, Sources, load};

/// The first byte chooses whether the other bytes are the text of a file or choices that generate
/// lines, and whether the rewrite writes every directive.
pub fn config(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let text = if choice & 1 == 0 {
        input.rest().to_vec()
    } else {
        lines(&mut input)
    };
    // The text must not include other files, because they are not under test.
    if text
        .windows(7)
        .any(|word| word.eq_ignore_ascii_case(b"include"))
    {
        return;
    }
    match read(&text) {
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal has a reason");
            problems
                .iter()
                .for_each(|problem| _ = (problem.finding(), problem.to_string()));
        }
        Ok(config) => survives(&config, &text, choice & 2 != 0),
    }
}

fn read(text: &[u8]) -> Result<Config, Vec<Problem>> {
    load(&Sources {
        stdin: Some(text.to_vec()),
        ..Sources::default()
    })
}

fn survives(config: &Config, text: &[u8], force_all: bool) {
    let once = config.rewrite(text, force_all);
    let again = read(&once).unwrap_or_else(|problems| {
        panic!("{}\n{}", problems[0], String::from_utf8_lossy(&once));
    });
    assert!(again == *config, "{}", String::from_utf8_lossy(&once));
    assert_eq!(
        config.rewrite(&once, force_all),
        once,
        "a second rewrite changes nothing"
    );
    for directive in DIRECTIVES {
        directive.text(config);
    }
}

/// Lines of known directives with likely and unlikely values.
fn lines(input: &mut Input<'_>) -> Vec<u8> {
    const VALUES: [&str; 24] = [
        "yes",
        "no",
        "0",
        "1",
        "16",
        "100",
        "-1",
        "100mb",
        "50%",
        "1gb",
        "always",
        "everysec",
        "local",
        "\"\"",
        "\"a b\\x00\\n\"",
        "'it\\'s'",
        "60 1",
        "3600 1 300 100",
        "AKE",
        "gxm",
        "normal 0 0 0",
        "replica 256mb 64mb 60",
        "127.0.0.1 -::1",
        "\"",
    ];
    let mut text = Vec::new();
    while !input.is_empty() {
        let name = DIRECTIVES[input.below(DIRECTIVES.len().max(257)) % DIRECTIVES.len()].name;
        text.extend_from_slice(name.as_bytes());
        for _ in 0..=input.below(2) {
            text.extend_from_slice(b" ");
            match input.below(VALUES.len() + 2) {
                choice if choice < VALUES.len() => {
                    text.extend_from_slice(VALUES[choice].as_bytes())
                }
                _ => {
                    let len = input.below(12);
                    text.extend_from_slice(input.bytes(len));
                }
            }
        }
        text.push(b'\n');
    }
    text
}
