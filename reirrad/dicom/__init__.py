"""Reading of DICOM radiotherapy objects. The only room that knows pydicom."""
