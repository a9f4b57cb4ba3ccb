"""Curves of other programs: CSV files as trackio, W&B and this program write them, and a sentence for all others."""

from io import BytesIO
from zipfile import ZipFile

import pytest

from mlpcore.export.foreign import MAX_ROWS, read_foreign_run
from mlpcore.export.logs import to_csv_per_run
from mlpcore.export.reading import MAX_BYTES
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.foreign import ForeignRun
from mlpcore.runs.records import Evaluation, Run, RunStatus


class TestReading:
    @pytest.mark.parametrize(
        "text",
        [
            "step,train_loss,test_acc\n10,2.5,\n20,2.25,0.5\n",
            "\ufeffStep,Loss,Test Accuracy\r\n10,2.5,NaN\r\n20,2.25,0.5\r\n",
            '"Step","my - run - train/loss","my - run - test/acc","f1"\n"10","2.5","","1"\n\n"20","2.25","0.5","1"\n',
            "_step,training-loss,accuracy\n10.0,2.5\n20.0,2.25,5e-1\n",
        ],
    )
    def test_columns_are_known_by_their_usual_names(self, text: str) -> None:
        run = read_foreign_run(text.encode(), name="theirs.csv")
        assert run == ForeignRun("theirs", [10, 20], train_loss=[2.5, 2.25], test_acc=[None, 0.5])

    def test_a_file_that_was_saved_here_is_read(self) -> None:
        evaluation = Evaluation(100, 1.5, 1.25, 0.5, 1.75, 0.375, 0.1, 0.5)
        run = Run("a1", "mine", Recipe(), RunStatus.FINISHED, 0.0, evaluations=(evaluation,))
        with ZipFile(BytesIO(to_csv_per_run([run]))) as archive:
            read = read_foreign_run(archive.read("mine a1.csv"), name="mine a1.csv")
        assert read == ForeignRun("mine a1", [100], train_loss=[1.5], test_acc=[0.375], lr=[0.1])


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"", "This is not a CSV file with a header line."),
            (b"step,loss\n\xff\xfe,1\n", "This is not a CSV file with a header line."),
            (b'step,loss\n"1,2\n', "This is not a CSV file with a header line."),
            (b"loss\n1\n", 'The file needs a column "step", and a column "train_loss" or "test_acc".'),
            (b"step,lr\n1,0.1\n", 'The file needs a column "step", and a column "train_loss" or "test_acc".'),
            (b"step,loss\n", "The file has a header line but no rows."),
            (
                b"Step,a - test_acc,b - test_acc\n1,0.5,0.5\n",
                'The columns "a - test_acc" and "b - test_acc" mean the same: a file holds one run.',
            ),
            (
                b"step,loss\n1,2\n1,2\n",
                "Line 3: step is 1, expected a whole number above that of the row before.",
            ),
            (b"step,loss\n1.5,2\n", "Line 2: step is 1.5, expected a whole number above that of the row before."),
            (b"step,loss\ninf,2\n", "Line 2: step is inf, expected a whole number above that of the row before."),
            (b"step,loss\n,2\n", 'Line 2: step is "", expected a whole number above that of the row before.'),
            (b"step,acc\n1,48.2\n", "Line 2: test_acc is 48.2, expected a number from 0 to 1."),
            (b"step,loss\n1,inf\n", "Line 2: train_loss is inf, expected a finite number."),
            (b"step,loss\n1,low\n", "Line 2: train_loss is low, expected a finite number."),
            (b"step,loss\n" + b"1,2\n" * (MAX_ROWS + 1), "The file has 10,001 rows: at most 10,000 are read."),
            (b"x" * (MAX_BYTES + 1), "The file has 30 MB: at most 30 MB are read."),
        ],
    )
    def test_says_what_is_wrong_and_where(self, data: bytes, sentence: str) -> None:
        with pytest.raises(SentenceError) as caught:
            read_foreign_run(data, name="theirs.csv")
        assert str(caught.value.sentence) == sentence
