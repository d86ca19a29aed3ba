"""The web page: load, see, decide. Streamlit alone imports it; nothing below knows of it."""
