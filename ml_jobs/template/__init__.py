"""Is a wine of the first cultivar? A whole small model, to be run as it is and then turned into your own.

Data: the wine recognition set that scikit-learn carries, 178 wines with 13 measurements each. M. Forina et al., by way
of the UCI Machine Learning Repository, which publishes it under CC BY 4.0 (https://doi.org/10.24432/C5PC7J).
"""
