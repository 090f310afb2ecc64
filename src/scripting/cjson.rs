//! placeholder
use super::lua::Stack;
pub fn push(stack: Stack) {
    stack.push_table(0, 0);
}
