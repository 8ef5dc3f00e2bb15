"""Microphones and files of sound for the demo. Imports the rooms of errors, of the operating system and of sounds.

base        a piece of sound, and the interfaces of all microphones
clock       estimates when a sample was recorded from the times at which samples arrive
listener    the thread that reads a microphone and opens it again when it was lost
wav_file    a .wav file in place of a microphone: paced by the clock, or by the frames of a clip
portaudio   microphones through the package sounddevice
arecord     microphones through the program arecord
find        the meaning of ``--microphone``
"""
