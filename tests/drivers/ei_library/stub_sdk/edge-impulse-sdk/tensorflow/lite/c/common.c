/* C, not C++: `class` is a name. */
float stub_twice(float value)
{
    const float class = 2.0f;
    return class * value;
}
