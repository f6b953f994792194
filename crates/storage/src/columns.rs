//! The columns of a block while it is read: each is made when it is first needed, and for the rows that are.

use datafusion::arrow::array::ArrayRef;
use datafusion::common::{Result, internal_datafusion_err};

use crate::block::Content;
use crate::select::{Picker, Selection};

/// The columns of one block.
pub(crate) struct Columns<'a> {
    /// What they are made from; none where all that are needed are there.
    content: Option<&'a Content>,
    /// Those that are there, with all rows.
    whole: Vec<Option<ArrayRef>>,
}

impl<'a> Columns<'a> {
    /// Those of a block in memory, of so many columns.
    pub(crate) fn of(content: &'a Content, columns: usize) -> Self {
        Self {
            content: Some(content),
            whole: vec![None; columns],
        }
    }

    /// These of a block, by their places among so many.
    pub(crate) fn read(
        columns: usize,
        arrays: impl IntoIterator<Item = (usize, ArrayRef)>,
    ) -> Self {
        let mut whole = vec![None; columns];
        for (at, array) in arrays {
            whole[at] = Some(array);
        }
        Self {
            content: None,
            whole,
        }
    }

    /// A column with the rows that are looked at for a selection.
    ///
    /// # Errors
    /// If it is not there, or is not what was written.
    pub(crate) fn looked_at(&mut self, at: usize, selection: &Selection) -> Result<ArrayRef> {
        match selection {
            Selection::Few(_) => self.picked(at, selection, &Picker::new(selection)),
            _ => self.whole(at),
        }
    }

    /// A column with the rows of a selection.
    ///
    /// # Errors
    /// As [`Columns::looked_at`].
    pub(crate) fn picked(
        &mut self,
        at: usize,
        selection: &Selection,
        picker: &Picker,
    ) -> Result<ArrayRef> {
        if let (Selection::Few(places), None, Some(Content::Packed(packed))) =
            (selection, &self.whole[at], self.content)
        {
            return packed.column(at)?.unpack(Some(places));
        }
        picker.pick(self.whole(at)?)
    }

    fn whole(&mut self, at: usize) -> Result<ArrayRef> {
        if let Some(array) = &self.whole[at] {
            return Ok(array.clone());
        }
        let array = match self.content {
            Some(Content::Arrays(batch)) => batch.columns().get(at).cloned(),
            Some(Content::Packed(packed)) => Some(packed.column(at)?.unpack(None)?),
            None => None,
        };
        let array = array.ok_or_else(|| {
            internal_datafusion_err!("column {at} of a cached table was not read")
        })?;
        self.whole[at] = Some(array.clone());
        Ok(array)
    }
}
