"""Files of tables as spreadsheets, pandas, Spark and data sets write them, as rows of columns.

What has one meaning is read; what has several is refused with the remedy:

- JSONL (one object a line), JSON (a list of objects), CSV and TSV with a header, Parquet; endings
  in any case, text files with ``.gz`` as well;
- UTF-8 with or without a byte order mark, UTF-16 and UTF-32 (of files without a mark, those that
  begin with a plain letter);
- column names in any case, with blanks around them, and blanks or hyphens for underscores;
- CSV with commas, semicolons or tabs, whichever gives the needed columns; quotes inside a text
  doubled, or with a backslash before them; TSV with or without quoted texts;
- rows without any value, and empty fields behind the last column, are left out.
"""

from hybridir.data.readers.table_files.columns import Columns, Mended
from hybridir.data.readers.table_files.files import TableFile, read_table_file

__all__ = ["Columns", "Mended", "TableFile", "read_table_file"]
