/* The kernels of kernels.h as NumPy generalized ufuncs, one set an instruction set. Reads from top to bottom:
 * the descriptions, the two loops, the module. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <numpy/ndarraytypes.h>
#include <numpy/ufuncobject.h>

#include <fenv.h>
#include <string.h>

#include "kernels.h"
#include "status.h"

#define MAX_OPERANDS 40
#define MAX_ROWS 1024
#define BUFFER (64 * QPHYS_LANES) /* lanes of all rows together; a whole tile of the widest registers fits MAX_ROWS */

/* ---- descriptions ------------------------------------------------------------------------------------------------ */

struct description {
    const char *name, *signature, *letters, *doc;
    qphys_lane_kernel *lane_kernel;
    qphys_row_kernel *row_kernel;
    /* filled when the ufunc is made */
    int inputs, operands;
    char types[MAX_OPERANDS];
    int core_dimensions[MAX_OPERANDS]; /* of each operand */
    ptrdiff_t rows[MAX_OPERANDS];      /* lane kernels: the product of its core sizes */
    PyUFuncGenericFunction loop[1];
    void *data[1];
};

#define DESCRIBE_LANES(level, name, signature, letters, doc)                                                           \
    {#name, signature, letters, doc, QPHYS_NAME(name, level), NULL, 0, 0, {0}, {0}, {0}, {NULL}, {NULL}},
#define DESCRIBE_ROWS(level, name, signature, letters, doc)                                                            \
    {#name, signature, letters, doc, NULL, QPHYS_NAME(name, level), 0, 0, {0}, {0}, {0}, {NULL}, {NULL}},
#define DESCRIBE_LEVEL(level)                                                                                          \
    QPHYS_KERNELS(QPHYS_DECLARE_LANES, QPHYS_DECLARE_ROWS, level)                                                      \
    static struct description descriptions_##level[] = {QPHYS_KERNELS(DESCRIBE_LANES, DESCRIBE_ROWS, level)};

DESCRIBE_LEVEL(baseline)
#ifdef QPHYS_HAVE_AVX2
DESCRIBE_LEVEL(avx2)
#endif
#ifdef QPHYS_HAVE_AVX512
DESCRIBE_LEVEL(avx512)
#endif

struct level {
    const char *name;
    struct description *descriptions;
};

/* Narrowest first; a level that the compiler or the processor lacks is left out. */
static int available_levels(struct level *levels) {
    int count = 0;
    levels[count++] = (struct level){"baseline", descriptions_baseline};
#if defined(QPHYS_HAVE_AVX2) || defined(QPHYS_HAVE_AVX512)
    __builtin_cpu_init();
#endif
#ifdef QPHYS_HAVE_AVX2
    if (__builtin_cpu_supports("avx2"))
        levels[count++] = (struct level){"avx2", descriptions_avx2};
#endif
#ifdef QPHYS_HAVE_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        levels[count++] = (struct level){"avx512", descriptions_avx512};
#endif
    return count;
}
#define MAX_LEVELS 3
#define DESCRIPTIONS ((int)(sizeof descriptions_baseline / sizeof descriptions_baseline[0]))

/* ---- the loops --------------------------------------------------------------------------------------------------- */

struct row {
    char *data;
    npy_intp stride;
    char type;
};

static void gather(double *restrict lanes, const struct row *row, npy_intp first, npy_intp count) {
    const char *from = row->data + first * row->stride;
    if (row->type == NPY_INT8 && row->stride == 1)
        for (npy_intp i = 0; i < count; i++)
            lanes[i] = (double)((const npy_int8 *)from)[i];
    else if (row->type == NPY_INT8)
        for (npy_intp i = 0; i < count; i++)
            lanes[i] = (double)*(const npy_int8 *)(from + i * row->stride);
    else
#pragma GCC unroll 8
        for (npy_intp i = 0; i < count; i++)
            lanes[i] = *(const double *)(from + i * row->stride);
}

static void scatter(const double *restrict lanes, const struct row *row, npy_intp first, npy_intp count) {
    char *to = row->data + first * row->stride;
    if (row->type == NPY_INT8 && row->stride == 1)
        for (npy_intp i = 0; i < count; i++)
            ((npy_int8 *)to)[i] = (npy_int8)lanes[i];
    else if (row->type == NPY_INT8)
        for (npy_intp i = 0; i < count; i++)
            *(npy_int8 *)(to + i * row->stride) = (npy_int8)lanes[i];
    else
#pragma GCC unroll 8
        for (npy_intp i = 0; i < count; i++)
            *(double *)(to + i * row->stride) = lanes[i];
}

/* Three rows that lie side by side in memory, as a contiguous (..., 3) array has them, in one pass. */
static int side_by_side(const struct row *row) {
    const npy_intp size = (npy_intp)sizeof(double);
    return row[0].type == NPY_DOUBLE && row[0].stride == 3 * size && row[1].data == row[0].data + size &&
           row[1].stride == 3 * size && row[2].data == row[0].data + 2 * size && row[2].stride == 3 * size &&
           row[1].type == NPY_DOUBLE && row[2].type == NPY_DOUBLE;
}

static void gather_three(double *restrict lanes, npy_intp width, const struct row *row, npy_intp first,
                         npy_intp count) {
    const double *from = (const double *)row->data + 3 * first;
    for (npy_intp i = 0; i < count; i++) {
        lanes[i] = from[3 * i];
        lanes[width + i] = from[3 * i + 1];
        lanes[2 * width + i] = from[3 * i + 2];
    }
}

/* One row an element of an operand's core dimensions, the last varying fastest. Returns the number of rows. */
static int list_rows(struct row *rows, const struct description *d, int first, int last, char **args,
                     npy_intp const *steps) {
    int count = 0;
    npy_intp const *core_step = steps + d->operands;
    for (int o = 0; o < first; o++)
        core_step += d->core_dimensions[o];
    for (int o = first; o < last; o++) {
        /* Lane kernels have at most one core dimension an operand (checked when the ufunc is made). */
        const npy_intp step = d->core_dimensions[o] ? core_step[0] : 0;
        for (npy_intp e = 0; e < d->rows[o]; e++)
            rows[count++] = (struct row){args[o] + e * step, steps[o], d->types[o]};
        core_step += d->core_dimensions[o];
    }
    return count;
}

static void lane_loop(char **args, npy_intp const *dimensions, npy_intp const *steps, void *data) {
    const struct description *d = data;
    struct row in_rows[MAX_ROWS], out_rows[MAX_ROWS];
    const double *in[MAX_ROWS];
    double *out[MAX_ROWS];
    _Alignas(64) double buffer[BUFFER];
    const int inputs = list_rows(in_rows, d, 0, d->inputs, args, steps);
    const int outputs = list_rows(out_rows, d, d->inputs, d->operands, args, steps);
    const npy_intp total = dimensions[0];
    npy_intp width = BUFFER / (inputs + outputs); /* many rows: fewer lanes at a time */
    width = width < QPHYS_LANES ? width - width % 8 : QPHYS_LANES;

    uint64_t constant = 0;
    for (int r = 0; r < inputs; r++)
        if (in_rows[r].stride == 0 && total > 0) {
            constant |= r < 64 ? UINT64_C(1) << r : 0;
            gather(buffer + r * width, &in_rows[r], 0, total < width ? total : width);
        }
    for (npy_intp first = 0; first < total; first += width) {
        const npy_intp lanes = total - first < width ? total - first : width;
        for (int r = 0; r < inputs; r++) {
            const struct row *row = &in_rows[r];
            in[r] = buffer + r * width;
            if (r + 2 < inputs && side_by_side(row)) {
                gather_three(buffer + r * width, width, row, first, lanes);
                in[r + 1] = buffer + (r + 1) * width;
                in[r + 2] = buffer + (r + 2) * width;
                r += 2;
                continue;
            }
            if (row->type == NPY_DOUBLE && row->stride == (npy_intp)sizeof(double))
                in[r] = (const double *)row->data + first;
            else if (row->stride != 0)
                gather(buffer + r * width, row, first, lanes);
        }
        for (int r = 0; r < outputs; r++) {
            const struct row *row = &out_rows[r];
            out[r] = row->type == NPY_DOUBLE && row->stride == (npy_intp)sizeof(double) ? (double *)row->data + first
                                                                                        : buffer + (inputs + r) * width;
        }
        d->lane_kernel(lanes, in, out, constant);
        for (int r = 0; r < outputs; r++)
            if (out[r] == buffer + (inputs + r) * width)
                scatter(out[r], &out_rows[r], first, lanes);
    }
    feclearexcept(FE_ALL_EXCEPT); /* masked lanes raise flags that mean nothing */
}

static void row_loop(char **args, npy_intp const *dimensions, npy_intp const *steps, void *data) {
    const struct description *d = data;
    struct qphys_array array[MAX_OPERANDS];
    npy_intp const *core_step = steps + d->operands;
    for (int o = 0; o < d->operands; o++) {
        array[o] = (struct qphys_array){args[o], (const ptrdiff_t *)core_step};
        core_step += d->core_dimensions[o];
    }
    for (npy_intp n = 0; n < dimensions[0]; n++) {
        d->row_kernel((const ptrdiff_t *)(dimensions + 1), array);
        for (int o = 0; o < d->operands; o++)
            array[o].data += steps[o];
    }
    feclearexcept(FE_ALL_EXCEPT);
}

/* ---- the module -------------------------------------------------------------------------------------------------- */

static int type_number(char letter) {
    switch (letter) {
    case 'd':
        return NPY_DOUBLE;
    case 'b':
        return NPY_INT8;
    case 'q':
        return NPY_INT64;
    case 'Q':
        return NPY_UINT64;
    case 'f':
        return NPY_FLOAT32;
    case 'F':
        return NPY_COMPLEX64;
    case 'D':
        return NPY_COMPLEX128;
    default:
        return -1;
    }
}

static PyObject *make_ufunc(struct description *d) {
    int count = 0, inputs = 0;
    for (const char *letter = d->letters; *letter; letter++) {
        if (*letter == '>') {
            inputs = count;
            continue;
        }
        const int number = type_number(*letter);
        if (number < 0 || count == MAX_OPERANDS)
            return PyErr_Format(PyExc_SystemError, "%s: types \"%s\"", d->name, d->letters);
        d->types[count++] = (char)number;
    }
    d->inputs = inputs;
    d->operands = count;
    d->loop[0] = d->lane_kernel ? lane_loop : row_loop;
    d->data[0] = d;
    PyObject *ufunc = PyUFunc_FromFuncAndDataAndSignature(d->loop, d->data, d->types, 1, inputs, count - inputs,
                                                          PyUFunc_None, d->name, d->doc, 0, d->signature);
    if (!ufunc)
        return NULL;
    const PyUFuncObject *u = (const PyUFuncObject *)ufunc;
    ptrdiff_t rows = 0;
    for (int o = 0; o < count; o++) {
        d->core_dimensions[o] = u->core_num_dims[o];
        if (!d->lane_kernel)
            continue;
        d->rows[o] = d->core_dimensions[o] ? u->core_dim_sizes[u->core_dim_ixs[u->core_offsets[o]]] : 1;
        rows += d->rows[o];
        if (d->core_dimensions[o] > 1 || d->rows[o] < 1 || rows > MAX_ROWS) {
            Py_DECREF(ufunc);
            return PyErr_Format(PyExc_SystemError, "%s: no lane kernel can have signature \"%s\"", d->name,
                                d->signature);
        }
    }
    return ufunc;
}

static PyObject *levels_method(PyObject *module, PyObject *ignored) {
    (void)module, (void)ignored;
    struct level levels[MAX_LEVELS];
    const int count = available_levels(levels);
    PyObject *names = PyTuple_New(count);
    for (int i = 0; names && i < count; i++) {
        PyObject *name = PyUnicode_FromString(levels[i].name);
        if (!name)
            Py_CLEAR(names);
        else
            PyTuple_SET_ITEM(names, i, name);
    }
    return names;
}

static PyObject *kernels_method(PyObject *module, PyObject *argument) {
    (void)module;
    const char *wanted = PyUnicode_AsUTF8(argument);
    if (!wanted)
        return NULL;
    struct level levels[MAX_LEVELS];
    const int count = available_levels(levels);
    for (int i = 0; i < count; i++) {
        if (strcmp(levels[i].name, wanted) != 0)
            continue;
        PyObject *kernels = PyDict_New();
        for (int k = 0; kernels && k < DESCRIPTIONS; k++) {
            PyObject *ufunc = make_ufunc(&levels[i].descriptions[k]);
            if (!ufunc || PyDict_SetItemString(kernels, levels[i].descriptions[k].name, ufunc) < 0)
                Py_CLEAR(kernels);
            Py_XDECREF(ufunc);
        }
        return kernels;
    }
    return PyErr_Format(PyExc_ValueError, "instruction set %R is not available", argument);
}

static PyMethodDef methods[] = {
    {"levels", levels_method, METH_NOARGS, "levels()\n--\n\nInstruction sets usable here, narrowest first."},
    {"kernels", kernels_method, METH_O,
     "kernels(level, /)\n--\n\nEvery kernel as a ufunc, by name, for one instruction set."},
    {NULL, NULL, 0, NULL},
};

#ifdef QPHYS_WITH_DIGEST
#include "source_digest.h"
#else
#define QPHYS_SOURCE_DIGEST ""
#endif

static int execute(PyObject *module) {
    if (PyArray_ImportNumPyAPI() < 0 || PyUFunc_ImportUFuncAPI() < 0)
        return -1;
#define STATUS_ITEM(code, name, meaning) "(is)"
#define STATUS_ARGUMENTS(code, name, meaning) , code, meaning
    PyObject *status = Py_BuildValue("[" QPHYS_STATUS(STATUS_ITEM) "]" QPHYS_STATUS(STATUS_ARGUMENTS));
    if (!status)
        return -1;
    const int failed = PyModule_AddObjectRef(module, "STATUS", status);
    Py_DECREF(status);
    return failed ? failed : PyModule_AddStringConstant(module, "SOURCE_DIGEST", QPHYS_SOURCE_DIGEST);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "_ufuncs",
    "C kernels of qphys as NumPy generalized ufuncs.",
    0,
    methods,
    slots,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__ufuncs(void);
PyMODINIT_FUNC PyInit__ufuncs(void) { return PyModuleDef_Init(&definition); }
