//! PFSELFTEST: the registers against plain bytes, both forms against each other, and the estimates
//! against exact counts.

use rand::{Rng, RngExt};

use super::layout::{FORM_AT, REGISTERS};
use super::{Registers, add, add_dense, count, empty, to_dense};

/// Times that all registers are written and read.
const CYCLES: usize = 100;
/// Number of elements added.
const ELEMENTS: u64 = 1_000_000;

/// Runs the test; an error describes what is wrong. Tens of milliseconds.
pub fn self_test(rng: &mut impl Rng, bytes_max: usize) -> Result<(), String> {
    test_registers(rng)?;
    test_estimates(rng.random(), bytes_max)
}

fn test_registers(rng: &mut impl Rng) -> Result<(), String> {
    let mut dense = to_dense(&empty()).expect("an empty one is whole");
    for _ in 0..CYCLES {
        let mut written = Registers::new();
        for value in &mut written.0 {
            *value = rng.random_range(0..64);
        }
        written.pack(&mut dense);
        let mut read = Registers::new();
        read.merge(&dense).expect("a dense one has all registers");
        for index in 0..REGISTERS {
            let (should, is) = (written.0[index], read.0[index]);
            if should != is {
                return Err(format!(
                    "TESTFAILED Register {index} should be {should} but is {is}"
                ));
            }
        }
    }
    Ok(())
}

fn test_estimates(seed: u64, bytes_max: usize) -> Result<(), String> {
    let mut grown = empty();
    let mut dense = to_dense(&grown).expect("an empty one is whole");
    let standard_error = 1.04 / (REGISTERS as f64).sqrt();
    let mut checkpoint = 1;
    for n in 1..=ELEMENTS {
        let element = (n ^ seed).to_le_bytes();
        add_dense(&mut dense, &element);
        add(&mut grown, &element, bytes_max).expect("it was whole before");
        if n != checkpoint {
            continue;
        }
        checkpoint *= 10;
        if n < bytes_max as u64 / 2 && grown[FORM_AT] == 0 {
            return Err("TESTFAILED sparse encoding not used".to_owned());
        }
        let counted = count(&dense).expect("a dense one has all registers");
        if count(&grown) != Ok(counted) {
            return Err("TESTFAILED dense/sparse disagree".to_owned());
        }
        // With few elements two may share a register.
        let error_max = match n {
            10 => 1,
            _ => (standard_error * 6.0 * n as f64).ceil() as u64,
        };
        let error = counted.abs_diff(n);
        if error > error_max {
            return Err(format!("TESTFAILED Too big error. card:{n} abserr:{error}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn it_passes() {
        let mut rng = SmallRng::seed_from_u64(1);
        assert_eq!(self_test(&mut rng, 3000), Ok(()));
        assert_eq!(self_test(&mut rng, 100), Ok(()));
    }
}
