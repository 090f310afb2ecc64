//! FILTER: an expression is refused, or runs on any attributes with the same result each time.

use super::input::Input;
use russet_types::vector_set::filter::Filter;

/// The first byte is the expression's length; expression and attributes follow.
pub fn filter(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let len = usize::from(input.byte());
    let (expression, attributes) = (input.bytes(len), input.rest());
    match Filter::compile(expression) {
        Ok(filter) => {
            let is_match = filter.matches(attributes);
            let negated = [b"not (", expression, b")"].concat();
            if let Ok(negation) = Filter::compile(&negated)
                && !expression.contains(&0)
                && is_match
            {
                assert!(
                    !negation.matches(attributes),
                    "both an expression and its negation"
                );
            }
            // Text after the attributes changes nothing.
            if attributes.ends_with(b"}") {
                let more = [attributes, b" "].concat();
                assert_eq!(filter.matches(&more), is_match);
            }
        }
        Err(error) => {
            let near = error.near(expression);
            let is_part = near.is_empty() || expression.windows(near.len()).any(|w| w == near);
            assert!(is_part, "an error shows a part of the expression");
        }
    }
}
