"""The Images page on a small image folder, opened through the navigation."""

from streamlit.testing.v1 import AppTest

from tests.support.app_tests import Open, key_of, shown, wait_for


def texts(page: AppTest) -> list[str]:
    return [element.value for element in [*page.text, *page.caption]]


def open_images(open_page: Open) -> AppTest:
    """Open the page and wait until its images are loaded."""
    page = open_page("images.py")
    page.selectbox(key="knob.dataset").select("Tiny").run()
    page.number_input(key="knob.batch_size").set_value(8).run()
    wait_for(page, lambda: any(text.startswith("Tiny · ") for text in texts(page.run())))
    return shown(page)


def test_data_set_shows_its_classes_and_counts(open_page: Open) -> None:
    page = open_images(open_page)
    assert "Tiny · 80 training and 10 test images of 32 × 32 pixels, in colour, in 2 classes." in texts(page)
    assert page.dataframe[0].value["train"].tolist() == [40, 40]
    assert page.dataframe[0].value["wrong label"].tolist() == [0, 0]


def test_label_noise_shows_how_many_labels_it_changed(open_page: Open) -> None:
    page = open_images(open_page)
    page.slider(key="knob.label_noise").set_value(1.0).run()
    wrong = page.dataframe[0].value["wrong label"].tolist()
    assert 20 <= sum(wrong) <= 60  # half of 80, give or take four standard deviations
    assert any(text.startswith(f"{sum(wrong)} of 80 training labels are wrong") for text in texts(page))


def test_all_images_are_a_number_that_counts_down_and_back_up_to_all(open_page: Open) -> None:
    page = open_images(open_page)
    count = page.number_input(key="knob.train_size.count")
    assert count.value == 80
    shown(count.set_value(79).run())
    assert page.session_state[key_of(page, "knob.train_size")] == 79
    shown(page.number_input(key="knob.validation_size").set_value(10).run())
    count = page.number_input(key="knob.train_size.count")
    shown(count.set_value(70).run())
    assert page.session_state[key_of(page, "knob.train_size")] is None
    shown(page.number_input(key="knob.validation_size").set_value(20).run())
    assert page.number_input(key="knob.train_size.count").value == 60
