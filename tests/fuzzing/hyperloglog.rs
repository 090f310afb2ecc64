//! HyperLogLogs from arbitrary bytes: the bytes are refused, or both encodings agree.

use super::input::Input;
use russet_encodings::hyperloglog::{
    RegisterForm, Registers, add, count, describe_runs, empty, form, to_dense,
};

/// Accepted input has the same count in both encodings, and elements change both alike; damaged
/// input is refused by every operation that reads it to the end.
pub fn hyperloglog(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (bytes_max, elements) = (usize::from(input.byte()), input.byte() % 40);
    let mut hll = match form(input.rest()) {
        Some(_) => bytes[2..].to_vec(),
        None => {
            // The bytes are runs after a header, because most inputs get further that way.
            let mut hll = empty();
            hll.truncate(16);
            hll.extend(bytes.iter().skip(2));
            hll
        }
    };
    let sound = match count(&hll) {
        Ok(cardinality) => {
            let mut registers = Registers::new();
            assert_eq!(registers.merge(&hll), Ok(()));
            assert_eq!(registers.count(), cardinality);
            true
        }
        Err(_) => {
            assert!(Registers::new().merge(&hll).is_err());
            assert!(to_dense(&hll).is_err());
            false
        }
    };
    if form(&hll) == Some(RegisterForm::Sparse) {
        let _ = describe_runs(&hll);
    }
    let mut dense = if sound { to_dense(&hll).ok() } else { None };
    for element in 0..elements {
        let element = [element, bytes.len() as u8];
        // `add` reads runs only up to the element's register, so damage after it has no effect.
        let added = add(&mut hll, &element, bytes_max);
        if let Some(dense) = &mut dense {
            assert_eq!(added, add(dense, &element, bytes_max));
        }
    }
    if let Some(dense) = dense {
        assert_eq!(count(&hll), count(&dense));
        let (mut ours, mut theirs) = (Registers::new(), Registers::new());
        assert_eq!(ours.merge(&hll), Ok(()));
        assert_eq!(theirs.merge(&dense), Ok(()));
        assert!(ours == theirs);
        assert_eq!(ours.raise_all(&mut hll, bytes_max), Ok(()));
        assert_eq!(count(&hll), count(&dense));
    }
}
