//! The accounts between which money moves (DESIGN.md M4).

use std::fmt;

use uuid::Uuid;

/// One party of a transfer. Displayed in the form the ledger stores: `employee:<uuid>`, `company`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// What the company owes an employee, or the employee the company.
    Employee(Uuid),
    /// The company's own side of fees and rewards.
    Company,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Employee(id) => write!(f, "employee:{id}"),
            Self::Company => f.write_str("company"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_a_readable_name() {
        assert_eq!(Account::Employee(Uuid::nil()).to_string(), "employee:00000000-0000-0000-0000-000000000000");
        assert_eq!(Account::Company.to_string(), "company");
    }
}
