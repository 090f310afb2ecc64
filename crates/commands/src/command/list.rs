//! COMMAND LIST: names of commands and subcommands, filtered.

use russet_base::glob;
use russet_command::{Category, CommandError};
use russet_resp::Args;
use russet_server::Row;

use super::info::category_named;

/// The filter of COMMAND LIST.
pub(super) enum Filter<'a> {
    All,
    /// No modules are ever loaded, so no command matches.
    Module,
    /// `None`: an unknown category, which matches no command.
    Category(Option<Category>),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    /// Reads `[FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`.
    pub fn parse(options: Args<'a>) -> Result<Filter<'a>, CommandError> {
        if options.is_empty() {
            return Ok(Filter::All);
        }
        if options.len() != 3 || !options.is(0, "filterby") {
            return Err(CommandError::Syntax);
        }
        let value = options.at(2);
        if options.is(1, "module") {
            Ok(Filter::Module)
        } else if options.is(1, "aclcat") {
            Ok(Filter::Category(category_named(value)))
        } else if options.is(1, "pattern") {
            Ok(Filter::Pattern(value))
        } else {
            Err(CommandError::Syntax)
        }
    }

    pub fn admits(&self, row: &Row) -> bool {
        match self {
            Filter::All => true,
            Filter::Module | Filter::Category(None) => false,
            Filter::Category(Some(category)) => row.spec.all_categories().intersects(*category),
            Filter::Pattern(pattern) => glob::matches(pattern, row.full_name.as_bytes(), true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_resp::OwnedArgs;

    fn parse(options: &[&str]) -> Result<&'static str, CommandError> {
        let owned: OwnedArgs = options.iter().map(|option| option.as_bytes()).collect();
        Ok(match Filter::parse(owned.args())? {
            Filter::All => "all",
            Filter::Module => "module",
            Filter::Category(Some(_)) => "category",
            Filter::Category(None) => "no category",
            Filter::Pattern(_) => "pattern",
        })
    }

    #[test]
    fn one_filter_at_most_and_only_a_known_one() {
        assert_eq!(parse(&[]), Ok("all"));
        assert_eq!(parse(&["FilterBy", "module", "m"]), Ok("module"));
        assert_eq!(parse(&["filterby", "ACLCAT", "Hash"]), Ok("category"));
        assert_eq!(parse(&["filterby", "aclcat", "@hash"]), Ok("no category"));
        assert_eq!(parse(&["filterby", "pattern", "z*"]), Ok("pattern"));
        let refused: [&[&str]; 4] = [
            &["filterby"],
            &["filterby", "name", "x"],
            &["filter", "pattern", "x"],
            &["filterby", "pattern", "x", "y"],
        ];
        for options in refused {
            assert_eq!(parse(options), Err(CommandError::Syntax), "{options:?}");
        }
    }
}
