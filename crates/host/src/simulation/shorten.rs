//! Reduces what fails to the few items that matter (delta debugging).

/// The shortest failing list found by leaving out ever smaller runs of items.
pub fn shorten<T: Clone>(items: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut shortest = items.to_vec();
    let mut run = shortest.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        let mut shorter = false;
        while from < shortest.len() {
            let mut candidate = shortest.clone();
            candidate.drain(from..(from + run).min(shortest.len()));
            if !candidate.is_empty() && fails(&candidate) {
                shortest = candidate;
                shorter = true;
            } else {
                from += run;
            }
        }
        if run > 1 {
            run = run.div_ceil(2);
        } else if !shorter {
            return shortest;
        }
    }
}
