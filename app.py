"""`streamlit run app.py` starts the web page; so does `reirrad app`."""

from streamlit.starlette import App

from reirrad.ui.app import main
from reirrad.ui.server import AROUND, SCRIPT, tended

app = App(SCRIPT, lifespan=tended, middleware=AROUND)  # what `streamlit run` looks for

if __name__ == "__main__":  # run as a script, by Streamlit's own tests of pages
    main()
