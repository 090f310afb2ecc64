//! The defaults of a dialect, where they differ from the table's.

use super::dialect::Dialect;
use super::directive::Directive;
use super::table::{Config, find};
use super::words;

impl Dialect {
    /// Sets the defaults that differ from the table's, except the defaults that `is_set` names.
    pub(super) fn set_defaults(self, config: &mut Config, is_set: impl Fn(&Directive) -> bool) {
        for &(name, value) in self.defaults() {
            let directive = find(name.as_bytes()).expect("a directive of the table");
            if !is_set(directive) {
                let value = words::Text::from(value.as_bytes());
                let read = directive.read(config, &[value], false);
                read.expect("a value that the directive takes");
            }
        }
    }
}

impl Config {
    /// The defaults of a server with this server's dialect, which its program's name implies.
    pub(super) fn defaults(&self) -> Config {
        let mut config = Config {
            dialect: self.named_dialect,
            named_dialect: self.named_dialect,
            ..Config::default()
        };
        self.dialect.set_defaults(&mut config, |_| false);
        config
    }
}
