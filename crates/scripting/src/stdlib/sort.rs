//! `table.sort` in the order of Lua 5.1: scripts can observe the order of the comparisons, since
//! it decides where elements end up that their function calls equal.
//!
//!     low ... middle ... high - 1, high
//!
//! The median of the ends and the middle is the pivot; it is kept at `high - 1` while the others
//! are partitioned. The smaller part is sorted by recursion, the larger part by the loop.
//!
//! LuaJIT's own sort cannot be stopped: millions of elements, or long texts with a common prefix,
//! would block the server too long.
//!
//! Cost: O(n log n) comparisons, O(n^2) in the worst case; recursion depth O(log n).

use std::cmp::Ordering;

use super::super::effort::Effort;
use super::super::guard::check_writable;
use super::super::lua::{Frame, LuaType, Raise, ReturnCount};

/// `table.sort(table [, less])`.
pub fn sort(f: Frame<'_>) -> ReturnCount {
    f.table_argument(1)?;
    check_writable(f.stack, 1)?;
    if !matches!(f.kind(2), LuaType::None | LuaType::Nil | LuaType::Function) {
        return Err(f.wrong_type(2, "function"));
    }
    f.set_top(2);
    let mut sorter = Sorter {
        f,
        effort: Effort::new(f),
        by_function: f.kind(2) == LuaType::Function,
    };
    sorter.sort(1, f.len(1))?;
    Ok(0)
}

struct Sorter<'m> {
    f: Frame<'m>,
    effort: Effort<'m>,
    by_function: bool,
}

impl Sorter<'_> {
    /// Sorts the elements from `low` to `high`.
    fn sort(&mut self, mut low: usize, mut high: usize) -> Result<(), Raise> {
        while low < high {
            self.order(low, high)?;
            if high - low == 1 {
                return Ok(());
            }
            let middle = low.midpoint(high);
            if !self.order(low, middle)? {
                self.order(middle, high)?;
            }
            if high - low == 2 {
                return Ok(());
            }
            let at = self.part(low, middle, high)?;
            let (below, above) = (at - low, high - at);
            if below < above {
                self.sort(low, at - 1)?;
                low = at + 1;
            } else {
                self.sort(at + 1, high)?;
                high = at - 1;
            }
        }
        Ok(())
    }

    /// Swaps two elements if the higher element is less; returns whether it did.
    fn order(&mut self, low: usize, high: usize) -> Result<bool, Raise> {
        let f = self.f;
        f.raw_get_at(1, low);
        f.raw_get_at(1, high);
        let top = f.top();
        let is_less = self.is_less(top, top - 1)?;
        if is_less {
            f.raw_set_at(1, low);
            f.raw_set_at(1, high);
        } else {
            f.pop(2);
        }
        Ok(is_less)
    }

    /// Partitions the elements between `low` and `high` by the element at `middle`; these three
    /// elements are in order already. Returns the pivot's final place.
    fn part(&mut self, low: usize, middle: usize, high: usize) -> Result<usize, Raise> {
        const DISORDER: &str = "invalid order function for sorting";
        let f = self.f;
        f.raw_get_at(1, middle);
        let pivot = f.top();
        f.push_value(pivot);
        f.raw_get_at(1, high - 1);
        f.raw_set_at(1, middle);
        f.raw_set_at(1, high - 1);
        let (mut left, mut right) = (low, high - 1);
        loop {
            loop {
                left += 1;
                f.raw_get_at(1, left);
                if !self.is_less(pivot + 1, pivot)? {
                    break;
                }
                if left >= high {
                    return Err(Raise::text(DISORDER));
                }
                f.pop(1);
            }
            loop {
                right -= 1;
                f.raw_get_at(1, right);
                if !self.is_less(pivot, pivot + 2)? {
                    break;
                }
                if right <= low {
                    return Err(Raise::text(DISORDER));
                }
                f.pop(1);
            }
            if right < left {
                break;
            }
            f.raw_set_at(1, left);
            f.raw_set_at(1, right);
        }
        f.set_top(pivot - 1);
        f.raw_get_at(1, high - 1);
        f.raw_get_at(1, left);
        f.raw_set_at(1, high - 1);
        f.raw_set_at(1, left);
        Ok(left)
    }

    /// Whether a value on the stack is less than another, by the script's function or by `<`.
    fn is_less(&mut self, a: i32, b: i32) -> Result<bool, Raise> {
        self.effort.step(0)?;
        let f = self.f;
        if self.by_function {
            f.push_value(2);
            return self.ask(a, b);
        }
        match (f.kind(a), f.kind(b)) {
            (LuaType::Number, LuaType::Number) => Ok(f.number(a) < f.number(b)),
            (LuaType::String, LuaType::String) => {
                let text = |at| f.bytes(at).expect("a string");
                Ok(self.effort.compare(text(a), text(b))? == Ordering::Less)
            }
            (one, other) if one == other && self.push_shared_order(a, b) => self.ask(a, b),
            (one, other) => Err(Raise::Plain(if one == other {
                format!("attempt to compare two {} values", one.name()).into()
            } else {
                format!("attempt to compare {} with {}", one.name(), other.name()).into()
            })),
        }
    }

    /// Calls the function on top with two values; returns whether its result is true.
    fn ask(&mut self, a: i32, b: i32) -> Result<bool, Raise> {
        let f = self.f;
        f.push_value(a);
        f.push_value(b);
        if !f.protected_call(2, 1, 0) {
            return Err(Raise::Top);
        }
        let is_less = f.boolean(-1);
        f.pop(1);
        Ok(is_less)
    }

    /// Pushes `__lt` if both values' metatables have the same function, else returns `false`.
    fn push_shared_order(&self, a: i32, b: i32) -> bool {
        let f = self.f;
        let top = f.top();
        let push = |at| f.metatable(at) && f.get_field(-1, "__lt") != LuaType::Nil;
        if push(a) && push(b) && f.is_same(top + 2, -1) {
            f.replace(top + 1);
            f.set_top(top + 1);
            return true;
        }
        f.set_top(top);
        false
    }
}
