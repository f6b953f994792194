//! The eight tables: their names, how many rows and files each has, and who generates them.

use arrow::record_batch::RecordBatchReader;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

use super::Scale;

/// The most rows that a file is meant to have. Larger tables are cut, so that they are made and read in parallel; how,
/// depends on the scale alone, so that every machine makes the same files.
const ROWS_PER_FILE: u64 = 1_500_000;

/// A table of TPC-H.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Positions of orders; three quarters of all bytes.
    LineItem,
    /// Orders of customers.
    Orders,
    /// Which supplier sells which part.
    PartSupp,
    /// Customers.
    Customer,
    /// Parts.
    Part,
    /// Suppliers.
    Supplier,
    /// The 25 nations.
    Nation,
    /// The 5 regions.
    Region,
}

impl Table {
    /// All eight, those with the most bytes first.
    pub const ALL: [Table; 8] = [
        Table::LineItem,
        Table::Orders,
        Table::PartSupp,
        Table::Customer,
        Table::Part,
        Table::Supplier,
        Table::Nation,
        Table::Region,
    ];

    /// The name in SQL, and of the folder.
    pub fn name(self) -> &'static str {
        match self {
            Table::LineItem => "lineitem",
            Table::Orders => "orders",
            Table::PartSupp => "partsupp",
            Table::Customer => "customer",
            Table::Part => "part",
            Table::Supplier => "supplier",
            Table::Nation => "nation",
            Table::Region => "region",
        }
    }

    /// The rows at `scale`: exact but for `lineitem`, where orders have one to seven positions, four on average.
    pub fn expected_rows(self, scale: Scale) -> u64 {
        let scale = scale.factor();
        let rows = match self {
            Table::LineItem => OrderGenerator::calculate_row_count(scale, 1, 1) * 4,
            Table::Orders => OrderGenerator::calculate_row_count(scale, 1, 1),
            Table::PartSupp => PartGenerator::calculate_row_count(scale, 1, 1) * 4,
            Table::Customer => CustomerGenerator::calculate_row_count(scale, 1, 1),
            Table::Part => PartGenerator::calculate_row_count(scale, 1, 1),
            Table::Supplier => SupplierGenerator::calculate_row_count(scale, 1, 1),
            Table::Nation => 25,
            Table::Region => 5,
        };
        u64::try_from(rows).unwrap_or(0)
    }

    /// How many files the table has at `scale`.
    pub fn files(self, scale: Scale) -> u32 {
        let files = self.expected_rows(scale).div_ceil(ROWS_PER_FILE).max(1);
        u32::try_from(files).unwrap_or(u32::MAX)
    }

    /// Generates the rows of file number `file` (from 0) of `files`, batch by batch.
    pub fn generate(
        self,
        scale: Scale,
        file: u32,
        files: u32,
    ) -> Box<dyn RecordBatchReader + Send> {
        let scale = scale.factor();
        // The generators count their parts from 1, in i32; a thousandfold scale has 4000 of them.
        let (part, parts) = (file as i32 + 1, files as i32);
        match self {
            Table::LineItem => Box::new(LineItemArrow::new(LineItemGenerator::new(
                scale, part, parts,
            ))),
            Table::Orders => Box::new(OrderArrow::new(OrderGenerator::new(scale, part, parts))),
            Table::PartSupp => Box::new(PartSuppArrow::new(PartSuppGenerator::new(
                scale, part, parts,
            ))),
            Table::Customer => Box::new(CustomerArrow::new(CustomerGenerator::new(
                scale, part, parts,
            ))),
            Table::Part => Box::new(PartArrow::new(PartGenerator::new(scale, part, parts))),
            Table::Supplier => Box::new(SupplierArrow::new(SupplierGenerator::new(
                scale, part, parts,
            ))),
            Table::Nation => Box::new(NationArrow::new(NationGenerator::new(scale, part, parts))),
            Table::Region => Box::new(RegionArrow::new(RegionGenerator::new(scale, part, parts))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_tables_are_cut_and_small_ones_are_not() {
        let files = |scale: &str| Table::ALL.map(|table| table.files(scale.parse().unwrap()));
        assert_eq!(files("0.01"), [1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(files("1"), [4, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(files("10"), [40, 10, 6, 1, 2, 1, 1, 1]);
    }

    #[test]
    fn the_files_of_a_table_together_are_the_table() {
        let scale = "0.01".parse().unwrap();
        let rows = |file, files| -> usize {
            Table::LineItem
                .generate(scale, file, files)
                .map(|batch| batch.unwrap().num_rows())
                .sum()
        };
        assert_eq!(rows(0, 1), (0..3).map(|file| rows(file, 3)).sum::<usize>());
    }
}
