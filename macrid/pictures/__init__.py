"""From picture files to features, which the model may start from.

reading    a picture of any form as a square of pixels
alexnet    an AlexNet of ONNX, trained or random: pixels to numbers
features   the features of a folder of pictures: made, kept, read
"""
