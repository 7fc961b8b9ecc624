"""Operations: one function for each thing that can be done, such as publish, launch, cancel, replay."""
