/* Asymptotic decoy states: Ma, Qi, Zhao, Lo, PRA 72, 012326 (2005), quant-ph/0503005. Signal mu, decoys nu1 > nu2 >= 0,
 * mu > nu1 + nu2; nu2 = 0 is vacuum + weak, where Eqs 34 and 37 follow. See docs/physics/keys.md. */
#include "kernels.h"
#include "status.h"
#include "vmath.h"

/* Binary entropy in bits for 0 <= p <= 1/2, 1 above. */
QPHYS_INLINE double entropy(double p) {
    const double q = vm_min(p, 0.5);
    const double nats = q * vm_log(q) + (1.0 - q) * vm_log1p(-q);
    return q > 0.0 ? -nats * VM_BITS : 0.0;
}

QPHYS_INLINE int is_share(double x) { return (x >= 0.0) & (x <= 1.0); }

LANE_KERNEL(ma2005) {
    (void)constant;
    const double *restrict mu_row = in[6], *restrict nu1_row = in[7], *restrict nu2_row = in[8];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double Q_mu = in[0][i], Q_1 = in[1][i], Q_2 = in[2][i], E_mu = in[3][i], E_1 = in[4][i], E_2 = in[5][i];
        const double mu = mu_row[i], nu1 = nu1_row[i], nu2 = nu2_row[i], f = in[9][i], q = in[10][i];
        const double finite = ((Q_mu + Q_1 + Q_2) + (E_mu + E_1 + E_2) + (mu + nu1 + nu2) + f + q) * 0.0;
        double fault = f >= 1.0 ? 0.0 : STATUS_BAD_EFFICIENCY;
        fault = is_share(Q_mu) & is_share(Q_1) & is_share(Q_2) & is_share(E_mu) & is_share(E_1) & is_share(E_2) &
                        is_share(q)
                    ? fault
                    : STATUS_BAD_PROBABILITIES;
        fault = (nu2 >= 0.0) & (nu1 > nu2) & (mu > nu1 + nu2) & (mu <= 100.0) ? fault : STATUS_BAD_INTENSITIES;
        fault = finite == 0.0 ? fault : STATUS_NOT_FINITE;

        const double G_mu = Q_mu * vm_exp(mu), G_1 = Q_1 * vm_exp(nu1), G_2 = Q_2 * vm_exp(nu2);
        const double gap = nu1 - nu2;
        const double Y0 = vm_min(vm_max((nu1 * G_2 - nu2 * G_1) / gap, 0.0), 1.0);
        const double square = (nu1 * nu1 - nu2 * nu2) / (mu * mu);
        const double bound = mu / (mu * gap - nu1 * nu1 + nu2 * nu2) * (G_1 - G_2 - square * (G_mu - Y0));
        const double Y1 = vm_min(vm_max(bound, 0.0), 1.0);
        const double error = (E_1 * G_1 - E_2 * G_2) / (gap * Y1);
        const double e1 = Y1 > 0.0 ? vm_min(vm_max(error, 0.0), 0.5) : 0.5;
        const double Q1 = Y1 * mu * vm_exp(-mu);                                       /* Eq. 35 */
        const double rate = q * (Q1 * (1.0 - entropy(e1)) - Q_mu * f * entropy(E_mu)); /* Eq. 1 */

        double status = rate > 0.0 ? STATUS_GOOD : STATUS_NO_KEY;
        status = Y1 > 0.0 ? status : STATUS_NO_SINGLE_PHOTONS;
        status = fault > 0.0 ? fault : status;
        const int valid = fault == 0.0;
        out[0][i] = valid ? Y0 : (double)NAN;
        out[1][i] = valid ? Y1 : (double)NAN;
        out[2][i] = valid ? e1 : (double)NAN;
        out[3][i] = valid ? Q1 : (double)NAN;
        out[4][i] = status == STATUS_GOOD ? rate : 0.0;
        out[5][i] = status;
    }
}

LANE_KERNEL(ma2005_infinite) {
    (void)constant;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double Q_mu = in[0][i], E_mu = in[1][i], mu = in[2][i], Y1 = in[3][i], e1 = in[4][i], f = in[5][i],
                     q = in[6][i];
        const double finite = (Q_mu + E_mu + mu + Y1 + e1 + f + q) * 0.0;
        double fault = f >= 1.0 ? 0.0 : STATUS_BAD_EFFICIENCY;
        fault = is_share(Q_mu) & is_share(E_mu) & is_share(Y1) & is_share(e1) & is_share(q) ? fault
                                                                                            : STATUS_BAD_PROBABILITIES;
        fault = (mu > 0.0) & (mu <= 100.0) ? fault : STATUS_BAD_INTENSITIES;
        fault = finite == 0.0 ? fault : STATUS_NOT_FINITE;

        const double Q1 = Y1 * mu * vm_exp(-mu);                                       /* Eq. 35 */
        const double rate = q * (Q1 * (1.0 - entropy(e1)) - Q_mu * f * entropy(E_mu)); /* Eq. 1 */

        double status = rate > 0.0 ? STATUS_GOOD : STATUS_NO_KEY;
        status = Y1 > 0.0 ? status : STATUS_NO_SINGLE_PHOTONS;
        status = fault > 0.0 ? fault : status;
        out[0][i] = fault == 0.0 ? Q1 : (double)NAN;
        out[1][i] = status == STATUS_GOOD ? rate : 0.0;
        out[2][i] = status;
    }
}
