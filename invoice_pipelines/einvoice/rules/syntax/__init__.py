"""The syntax rules of EN 16931 (UBL-SR, -CR, -DT; CII-SR, -DT): what may stand where in a document, and how often."""
